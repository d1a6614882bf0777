// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"io"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func TestAQuestionCanBeInterrupted(t *testing.T) {
	silent, typed := io.Pipe()
	defer typed.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	// Somebody who sees the question interrupts it.
	asked := writerFunc(func(text []byte) (int, error) { interrupt(); return len(text), nil })
	o := &revokeCommand{session: &session{Environment: Environment{
		IOStreams: genericiooptions.IOStreams{In: silent, ErrOut: asked}, IsTerminal: true,
	}}}
	if err := o.confirm(ctx, "the token of shop"); err == nil || !strings.Contains(err.Error(), "nothing is done") {
		t.Errorf("it says %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
