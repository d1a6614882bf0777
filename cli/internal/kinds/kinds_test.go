// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kinds

import (
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// A kind that is added to the API is missed here, until All has it.
func TestAllKindsAreThoseThatAreDefined(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../config/crd/bases/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(All) {
		t.Errorf("there are %d definitions, and %d kinds", len(files), len(All))
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var definition struct {
			Spec struct {
				Scope string
				Names struct {
					Kind, Plural, Singular string
					ShortNames             []string
				}
			}
		}
		if err := yaml.Unmarshal(content, &definition); err != nil {
			t.Fatal(err)
		}
		names := definition.Spec.Names
		kind := Called(names.Kind)
		if kind == nil {
			t.Errorf("%s: the kind %s is not known", file, names.Kind)
			continue
		}
		for _, name := range append(names.ShortNames, names.Kind, names.Plural, names.Singular) {
			if Called(name) != kind {
				t.Errorf("%s does not stand for the kind %s", name, kind.Name)
			}
		}
		if kind.Plural != names.Plural || kind.OfCluster != (definition.Spec.Scope == "Cluster") {
			t.Errorf("%s is not as it is defined: %+v", kind.Name, kind)
		}
		if Of(kind.New()) != kind || kind.HasToken != (TokenOf(kind.New()) != nil) {
			t.Errorf("a new %s is not one", kind.Name)
		}
		if found, _, err := scheme.ObjectKinds(kind.NewList()); err != nil || found[0].Kind != kind.Name+"List" {
			t.Errorf("a list of %s is %v, %v", kind.Name, found, err)
		}
	}
	if Called("deployment") != nil {
		t.Error("a Deployment is none of ours")
	}
}

func TestNamesAreJoined(t *testing.T) {
	t.Parallel()
	for want, of := range map[string][]*Kind{
		"SfsClient": {Client}, "SfsClient or OAuthToken": {Client, OAuthToken}, "SfsPlatform, SfsClient or OAuthToken": {Platform, Client, OAuthToken}, "": nil,
	} {
		if got := Names(of, "or", One); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWhatIsKnownOfAToken(t *testing.T) {
	t.Parallel()
	held := &v1alpha1.TokenStatus{Revision: 7}
	client := &v1alpha1.SfsClient{Status: v1alpha1.SfsClientStatus{Token: held, LastHandledRenewAt: "then"}}
	client.Name = "shop"
	client.Spec.RolloutRestartTargets = []v1alpha1.RolloutRestartTarget{
		{RestartedWorkload: v1alpha1.RestartedWorkload{Name: "web"}, When: v1alpha1.RestartWhenTokenChanged},
		{RestartedWorkload: v1alpha1.RestartedWorkload{Name: "api"}},
	}
	token := &v1alpha1.OAuthToken{Status: v1alpha1.OAuthTokenStatus{Token: held, LastHandledRenewAt: "then"}}
	token.Name = "shop"
	token.Spec.RolloutRestartTargets = []v1alpha1.RestartedWorkload{{Name: "web"}}
	for want, o := range map[string]Resource{"shop-sfs-token": client, "shop-oauth-token": token} {
		got := TokenOf(o)
		if got.SecretName != want || got.Status != held || got.LastHandledRenewAt != "then" || !got.Wanted || got.Suspended {
			t.Errorf("%s: %+v", want, got)
		}
		if len(got.Restarts) != 1 || got.Restarts[0].Name != "web" {
			t.Errorf("%s: with each token it restarts %+v", want, got.Restarts)
		}
		o.SetAnnotations(map[string]string{v1alpha1.PausedAnnotation: "true"})
		if !TokenOf(o).Suspended {
			t.Errorf("%s is not suspended", want)
		}
	}
	if client.Spec.Token.Enabled = ptr.To(false); TokenOf(client).Wanted {
		t.Error("the token that is not wanted is")
	}
	if got := TokenOf(&v1alpha1.SfsClientUser{ObjectMeta: metav1.ObjectMeta{Name: "jane"}}); got != nil {
		t.Errorf("an SfsClientUser has %+v", got)
	}
}

func TestWhoRevokesNoTokens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		provider v1alpha1.OAuthProvider
		want     bool
	}{
		"Signicat":                    {v1alpha1.OAuthProvider{Signicat: &v1alpha1.SignicatProvider{}}, true},
		"Secured Signing":             {v1alpha1.OAuthProvider{SecuredSigning: &v1alpha1.SecuredSigningProvider{}}, false},
		"another":                     {v1alpha1.OAuthProvider{Generic: &v1alpha1.GenericProvider{}}, true},
		"another with revocation URL": {v1alpha1.OAuthProvider{Generic: &v1alpha1.GenericProvider{RevocationURL: "https://id.example.com/revoke"}}, false},
	} {
		if got := TokenOf(&v1alpha1.OAuthToken{Spec: v1alpha1.OAuthTokenSpec{Provider: c.provider}}).Irrevocable; got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
