// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"net"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

// defaultServer is asked where nothing says which.
const defaultServer = "//localhost:8080/"

// explain says what went wrong, and what to do where that is known.
func explain(err error, program string) string {
	var unreachable *net.OpError
	do := ""
	switch {
	case meta.IsNoMatchError(err):
		do = "The operator is not installed in this cluster, or is of another version: " + program + " doctor says more."
	case apierrors.IsForbidden(err):
		do = "Ask the administrators of the cluster for the right. docs/cli.md lists what each command reads."
	case apierrors.IsUnauthorized(err):
		do = "Your credentials are not accepted, or have expired: log in to the cluster again."
	case apierrors.IsNotFound(err):
		do = program + " status -A lists what there is."
	case errors.As(err, &unreachable) && strings.Contains(err.Error(), defaultServer):
		do = "There is no kubeconfig that names a cluster: give --kubeconfig, or set KUBECONFIG."
	case errors.As(err, &unreachable):
		do = "Is this the right cluster (--context), and is it up?"
	}
	return strings.TrimSpace(err.Error() + "\n" + do)
}

// doing says in front of an error what was being done.
func doing(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// isRefused says whether the reason is that the user may not.
func isRefused(err error) bool { return apierrors.IsForbidden(err) }
