// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// wholeObject is how the API server names the object itself where it would name a field.
const wholeObject = "<nil>"

// validationCase is one request to the API server.
type validationCase struct {
	reason string
	// field is what the case is about: where the API server has to find the fault, if there is one. TestEveryRuleHasACase
	// goes by it.
	field string
	// before, if set, makes the case an update: of an object created with it, by mutate.
	before change
	// mutate makes of the least that is accepted what is sent.
	mutate change
	// wantErrors are parts of what the API server says. None: the request is accepted.
	wantErrors []string
}

const (
	anotherClientMessage   = "create another SfsClient"
	anotherUserMessage     = "create another SfsClientUser"
	baseURLMessage         = "must be an https URL without credentials, query or fragment, such as https://api.sendforsign.com/api"
	emailMessage           = "email must be an e-mail address"
	namesOrSelectorMessage = "set either names or selector"
	prefixMessage          = "customKeyPrefix must be lower-case letters, digits, '-' and '.', and begin and end with a letter or digit"
	renewBeforeMessage     = "renewBefore must be at least 3m, so that a new token reaches applications before the old one dies"
	requiredMessage        = "Required value"
	secretNameMessage      = "name must be a valid name of a Secret: lower-case letters, digits, '-' and '.'"
	secretsDifferMessage   = "spec.secret.name and spec.token.secret.name must differ: one Secret is stable, the other changes with each token"
	timeoutMessage         = "timeout must be from 1s to 30s"
)

func letters(n int) string { return strings.Repeat("a", n) }

// casesOf are all cases of a kind.
func casesOf(t *testing.T, kind string) map[string]validationCase {
	t.Helper()
	groups := map[string][]map[string]validationCase{
		platformKind: {platformCases, orphanCases(), adoptionCases},
		clientKind: {
			clientCases, personCases(), identityStatusCases(), pendingChangesCases(), formerSecretsCases(),
			policyCases(), namingCases("clientKey", anotherClientMessage), clientPolicyCases(),
			secretNameCases("spec.secret.name"), secretNameCases("spec.token.secret.name"),
			shapeCases(clientSecret), identifierShapeCases(clientSecret), shapeCases(tokenSecret),
			tokenShapeCases([]string{"token", "tokenType", "expiresAt", "issuedAt", "clientKey", "baseURL"},
				"userKey", "SFS_CLIENT_KEY", "SFS_USER_KEY", "scope"),
			tokenLifeCases(), restartCases(), restartTriggerCases(), restartStatusCases(),
		},
		oauthKind: {
			oauthCases(), providerCases(), grantCases(), scopeCases(), formerSecretsCases(),
			secretNameCases("spec.token.secret.name"), shapeCases(oauthSecret),
			tokenShapeCases([]string{"token", "tokenType", "expiresAt", "issuedAt", "baseURL", "scope"},
				"clientKey", "userKey", "clientID", "clientSecret", "refreshToken"),
			tokenLifeCases(), restartCases(), restartStatusCases(),
		},
		userKind: {
			userCases, personCases(), identityStatusCases(), pendingChangesCases(), formerSecretsCases(),
			policyCases(), namingCases("userKey", anotherUserMessage), userPolicyCases(), secretNameCases("spec.secret.name"),
			shapeCases(userSecret), identifierShapeCases(userSecret),
		},
	}
	cases := map[string]validationCase{}
	for _, group := range groups[kind] {
		for name, c := range group {
			if _, twice := cases[name]; twice {
				t.Fatalf("%s has two cases %q", kind, name)
			}
			cases[name] = c
		}
	}
	return cases
}

func TestValidation(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for name, c := range casesOf(t, kind) {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				err := c.send(t, newObject(kind))
				if len(c.wantErrors) == 0 {
					if err != nil {
						t.Errorf("refused, though %s: %v", c.reason, err)
					}
					return
				}
				c.checkRefusal(t, err)
			})
		}
	}
}

// send creates the object, or updates it, or its status.
func (c validationCase) send(t *testing.T, o *unstructured.Unstructured) error {
	t.Helper()
	ofStatus := strings.HasPrefix(c.field, "status.")
	if c.before == nil && !ofStatus {
		c.mutate(o)
		return cluster.strict.Create(t.Context(), o, client.DryRunAll)
	}
	if c.before != nil {
		c.before(o)
	}
	create(t, o)
	c.mutate(o)
	if ofStatus {
		return cluster.strict.Status().Update(t.Context(), o)
	}
	return cluster.strict.Update(t.Context(), o)
}

// checkRefusal wants the fault to be found where the case says, and nowhere else: else a case might be refused for a
// mistake of its own.
func (c validationCase) checkRefusal(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, though %s", c.reason)
	}
	var status *apierrors.StatusError
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		t.Fatalf("got %v, want it to be invalid", err)
	}
	var said []string
	for _, cause := range status.Status().Details.Causes {
		switch {
		case strings.Contains(cause.Message, "some validation rules were not checked because the object was invalid"):
			// It goes with every fault of the schema.
		case cause.Field == c.field:
			said = append(said, cause.Message)
		default:
			t.Errorf("%s is found to be at fault as well: %s", cause.Field, shorten(cause.Message))
		}
	}
	for _, want := range c.wantErrors {
		if !slices.ContainsFunc(said, func(message string) bool { return strings.Contains(message, want) }) {
			t.Errorf("nothing that is said of %s contains %q: %s", c.field, want, shorten(err.Error()))
		}
	}
}

func shorten(text string) string {
	const most = 600
	if len(text) > most {
		return text[:most/2] + " ... " + text[len(text)-most/2:]
	}
	return text
}

func TestConditionsAreAMapByType(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o := newObject(kind)
			create(t, o)
			condition := map[string]any{
				"type": "Ready", "status": "True", "reason": "Available", "message": "",
				"lastTransitionTime": metav1.Now().UTC().Format("2006-01-02T15:04:05Z"), "observedGeneration": int64(1),
			}
			set("status.conditions", []any{condition})(o)
			if err := cluster.strict.Status().Update(t.Context(), o); err != nil {
				t.Fatalf("one condition is refused: %v", err)
			}
			set("status.conditions", []any{condition, condition})(o)
			c := validationCase{
				reason: "there is one condition of each type", field: "status.conditions[1]", wantErrors: []string{"Duplicate value"},
			}
			c.checkRefusal(t, cluster.strict.Status().Update(t.Context(), o))
		})
	}
}
