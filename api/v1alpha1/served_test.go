// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	shape := map[string]any{
		"keys": map[string]any{"clientKey": ""}, "formats": []any{map[string]any{"format": "env"}},
		"template": map[string]any{"metadata": map[string]any{}, "data": map[string]any{"url": "{{ .baseURL }}"}},
	}
	tests := map[string]struct {
		reason string
		kind   string
		mutate change
		want   map[string]any // by path; nil: absent
	}{
		"a platform": {
			reason: "no namespace is served and no margin is set unless somebody says so",
			kind:   platformKind, mutate: unchanged,
			want: map[string]any{
				"spec.baseURL": v1alpha1.DefaultBaseURL, "spec.timeout": "15s",
				"spec.allowedNamespaces": nil, "spec.token": nil, "spec.rateLimit": nil, "spec.caBundle": nil,
				"spec.adoption": nil, "spec.nextCredentialsSecretRef": nil, "spec.driftCheckInterval": "10m",
				"status.observedGeneration": int64(-1),
			},
		},
		"a platform with an empty rate limit": {
			reason: "each half has a default",
			kind:   platformKind, mutate: set("spec.rateLimit", map[string]any{}),
			want: map[string]any{"spec.rateLimit.requestsPerSecond": int64(10), "spec.rateLimit.burst": int64(20)},
		},
		"a platform with half a rate limit": {
			reason: "the other half has a default",
			kind:   platformKind, mutate: set("spec.rateLimit.requestsPerSecond", int64(3)),
			want: map[string]any{"spec.rateLimit.requestsPerSecond": int64(3), "spec.rateLimit.burst": int64(20)},
		},
		"a client without a spec": {
			reason: "the spec is filled in, so that the controller finds one",
			kind:   clientKind, mutate: unset("spec"),
			want: map[string]any{
				"spec.platformRef.name": "default", "spec.token.enabled": true, "spec.token.revocationPolicy": "OnDelete",
				"spec.token.renewBefore": nil, "spec.token.secret": nil, "spec.secret": nil, "spec.suspend": nil,
				"spec.fullName": nil, "spec.email": nil, "spec.organization": nil, "spec.customKey": nil, "spec.clientKey": nil,
				"spec.adoptionPolicy": "AdoptOrCreate", "spec.managementPolicy": "Manage", "spec.driftPolicy": "Correct",
				"spec.deletionPolicy": "Retain", "spec.token.verification": "None", "spec.token.previousTokenGracePeriod": nil,
				"spec.rolloutRestartTargets": nil, "status.observedGeneration": int64(-1),
			},
		},
		"a platform with a rule of adoption": {
			reason: "an item of a list that is kept in Git has no defaults, or it would differ from it for ever",
			kind:   platformKind, mutate: adopting(adoptionRule(nil)),
			want: map[string]any{"spec.adoption": []any{adoptionRule(nil)}},
		},
		"a client with Secrets in another shape": {
			reason: "a shape that is kept in Git has no defaults, or it would differ from it for ever",
			kind:   clientKind, mutate: all(set("spec.secret", shape), set("spec.token.secret", shape)),
			want: map[string]any{"spec.secret": shape, "spec.token.secret": shape},
		},
		"a client with a workload to restart": {
			reason: "an item of a list that is kept in Git has no defaults, or it would differ from it for ever",
			kind:   clientKind, mutate: restarting(restartTarget(nil)),
			want: map[string]any{"spec.rolloutRestartTargets": []any{restartTarget(nil)}},
		},
		"a client that revokes tokens when they are replaced": {
			reason: "how long it waits is for the operator to say, who can change its mind",
			kind:   clientKind, mutate: set("spec.token.revocationPolicy", "OnRotate"),
			want: map[string]any{"spec.token.revocationPolicy": "OnRotate", "spec.token.previousTokenGracePeriod": nil},
		},
		"a client with an empty reference": {
			reason: "its name has the same default",
			kind:   clientKind, mutate: set("spec.platformRef", map[string]any{}),
			want: map[string]any{"spec.platformRef.name": "default"},
		},
		"a client with a token that is switched off": {
			reason: "false is not absent",
			kind:   clientKind, mutate: set("spec.token.enabled", false),
			want: map[string]any{"spec.token.enabled": false, "spec.token.revocationPolicy": "OnDelete"},
		},
		"a user": {
			reason: "a user is created unless it is said to be the default one",
			kind:   userKind, mutate: unchanged,
			want: map[string]any{
				"spec.default": false, "spec.secret": nil, "spec.suspend": nil, "status.observedGeneration": int64(-1),
				"spec.customKey": nil, "spec.userKey": nil, "spec.adoptionPolicy": "AdoptOrCreate",
				"spec.managementPolicy": "Manage", "spec.driftPolicy": "Correct", "spec.deletionPolicy": "Retain",
			},
		},
		"an access token of Secured Signing": {
			reason: "grant and clientAuthentication are left to the provider, which may be changed later",
			kind:   oauthKind, mutate: unchanged,
			want: map[string]any{
				"spec.provider.securedSigning.region": "Global", "spec.provider.securedSigning.accountCheck": "Disabled",
				"spec.provider.signicat": nil, "spec.provider.generic": nil, "spec.grant": nil, "spec.clientAuthentication": nil,
				"spec.scopes": nil, "spec.token": map[string]any{"revocationPolicy": "OnDelete"}, "spec.suspend": nil,
				"spec.rolloutRestartTargets": nil, "status.observedGeneration": int64(-1),
			},
		},
		"an access token of Signicat": {
			reason: "only the provider that is named has defaults",
			kind:   oauthKind, mutate: fromSignicat,
			want: map[string]any{
				"spec.provider": map[string]any{"signicat": map[string]any{"environment": "Platform"}}, "spec.grant": nil,
				"spec.clientAuthentication": nil,
			},
		},
		"an access token of another provider": {
			reason: "nothing is made up of where it is revoked and whom to trust",
			kind:   oauthKind, mutate: fromGeneric(nil),
			want: map[string]any{
				"spec.provider": map[string]any{"generic": map[string]any{"tokenURL": genericTokenURL}}, "spec.grant": nil,
			},
		},
		"an access token with a workload to restart": {
			reason: "an item of a list that is kept in Git has no defaults, or it would differ from it for ever",
			kind:   oauthKind, mutate: restarting(restartTarget(nil)),
			want: map[string]any{"spec.rolloutRestartTargets": []any{restartTarget(nil)}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newObject(test.kind)
			test.mutate(o)
			create(t, o)
			got := reread(t, o)
			for path, want := range test.want {
				if is := field(t, got, path); !reflect.DeepEqual(is, want) {
					t.Errorf("%s is %v, want %v: %s", path, is, want, test.reason)
				}
			}
		})
	}
}

func reread(t *testing.T, o client.Object) *unstructured.Unstructured {
	t.Helper()
	got := &unstructured.Unstructured{}
	kind, err := cluster.strict.GroupVersionKindFor(o)
	if err != nil {
		t.Fatal(err)
	}
	got.SetGroupVersionKind(kind)
	if err := cluster.strict.Get(t.Context(), client.ObjectKeyFromObject(o), got); err != nil {
		t.Fatal(err)
	}
	return got
}

// Go programs write the types of this package, in which absent and empty are often the same.
func TestTypedObjectsAreAccepted(t *testing.T) {
	t.Parallel()
	named := func(name, namespace string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: namespace}
	}
	tests := map[string]struct {
		reason string
		object client.Object
		want   map[string]any
	}{
		"the least of a platform": {
			reason: "structs that are zero are left out, so that defaults and required fields do their work",
			object: &v1alpha1.SfsPlatform{ObjectMeta: named("typed", ""), Spec: v1alpha1.SfsPlatformSpec{
				CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: "sendforsign"}, CustomKeyPrefix: "acme",
			}},
			want: map[string]any{
				"spec.baseURL": v1alpha1.DefaultBaseURL, "spec.rateLimit": nil, "spec.token": nil, "spec.allowedNamespaces": nil,
				"status.observedGeneration": int64(-1),
			},
		},
		"an empty client": {
			reason: "the spec is left out",
			object: &v1alpha1.SfsClient{ObjectMeta: named("typed", metav1.NamespaceDefault)},
			want: map[string]any{
				"spec.platformRef.name": "default", "spec.secret": nil, "spec.token.enabled": true, "status.observedGeneration": int64(-1),
			},
		},
		"the least of a user": {
			reason: "false is left out, and the default puts it back",
			object: &v1alpha1.SfsClientUser{ObjectMeta: named("typed", metav1.NamespaceDefault), Spec: v1alpha1.SfsClientUserSpec{
				ClientRef: v1alpha1.ClientReference{Name: "umbrella"},
			}},
			want: map[string]any{"spec.default": false, "spec.secret": nil, "status.observedGeneration": int64(-1)},
		},
		"the least of an access token": {
			reason: "what is absent is left out, also of the provider",
			object: &v1alpha1.OAuthToken{ObjectMeta: named("typed", metav1.NamespaceDefault), Spec: v1alpha1.OAuthTokenSpec{
				Provider:             v1alpha1.OAuthProvider{SecuredSigning: &v1alpha1.SecuredSigningProvider{}},
				CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: "credentials"},
			}},
			want: map[string]any{
				"spec.provider.securedSigning.region": "Global", "spec.token": map[string]any{"revocationPolicy": "OnDelete"},
				"spec.grant": nil, "spec.scopes": nil, "status.observedGeneration": int64(-1),
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			create(t, test.object)
			got := reread(t, test.object)
			for path, want := range test.want {
				if is := field(t, got, path); !reflect.DeepEqual(is, want) {
					t.Errorf("%s is %v, want %v: %s", path, is, want, test.reason)
				}
			}
		})
	}
}

func TestTypedObjectsWithoutRequiredFieldsAreRefused(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]client.Object{
		"spec":           &v1alpha1.SfsClientUser{ObjectMeta: metav1.ObjectMeta{Name: "no-client", Namespace: metav1.NamespaceDefault}},
		"spec.clientRef": &v1alpha1.SfsClientUser{ObjectMeta: metav1.ObjectMeta{Name: "no-client", Namespace: metav1.NamespaceDefault}, Spec: v1alpha1.SfsClientUserSpec{FullName: "x"}},
		"spec.credentialsSecretRef": &v1alpha1.SfsPlatform{
			ObjectMeta: metav1.ObjectMeta{Name: "no-credentials"}, Spec: v1alpha1.SfsPlatformSpec{CustomKeyPrefix: "acme"},
		},
		"spec.provider": &v1alpha1.OAuthToken{ObjectMeta: metav1.ObjectMeta{Name: "no-provider", Namespace: metav1.NamespaceDefault}, Spec: v1alpha1.OAuthTokenSpec{
			CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: "credentials"},
		}},
	} {
		c := validationCase{reason: want + " is required", field: want, wantErrors: []string{requiredMessage}}
		c.checkRefusal(t, cluster.strict.Create(t.Context(), o, client.DryRunAll))
	}
}

// kstatus calls a resource Current that has no observedGeneration, and one of an older generation InProgress.
func TestAnUntouchedResourceIsNotCurrent(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		o := newObject(kind)
		// Argo CD and kubectl send what they find in Git, at times with a status: it has no effect.
		set("status.observedGeneration", int64(1))(o)
		create(t, o)
		got := reread(t, o)
		if is := field(t, got, "status.observedGeneration"); is != int64(-1) || got.GetGeneration() != 1 {
			t.Errorf("%s: observedGeneration is %v at generation %d, want -1 at 1", kind, is, got.GetGeneration())
		}
	}
}

// Argo CD compares what is in Git with what is stored: were 10m stored as 10m0s, it would be out of sync for ever.
func TestPatchesOfTheOperatorLeaveTheSpecAsItWasWritten(t *testing.T) {
	t.Parallel()
	platform := newObject(platformKind)
	all(set("spec.token.renewBefore", "10m"), set("spec.timeout", "0.5m"))(platform)
	tenant := newObject(clientKind)
	set("spec.token.renewBefore", "0h10m")(tenant)
	access := newObject(oauthKind)
	all(set("spec.token.renewBefore", "0h10m"), set("spec.scopes", []any{"b", "a"}))(access)
	patches := map[string]func(t *testing.T, o client.Object) error{
		"of the status": func(t *testing.T, o client.Object) error {
			t.Helper()
			switch o := o.(type) {
			case *v1alpha1.SfsPlatform:
				before := o.DeepCopy()
				o.Status.ObservedGeneration = o.Generation
				return cluster.strict.Status().Patch(t.Context(), o, client.MergeFrom(before))
			case *v1alpha1.SfsClient:
				before := o.DeepCopy()
				o.Status.ObservedGeneration = o.Generation
				return cluster.strict.Status().Patch(t.Context(), o, client.MergeFrom(before))
			case *v1alpha1.OAuthToken:
				before := o.DeepCopy()
				o.Status.ObservedGeneration = o.Generation
				return cluster.strict.Status().Patch(t.Context(), o, client.MergeFrom(before))
			}
			return errors.ErrUnsupported
		},
		"of the metadata": func(t *testing.T, o client.Object) error {
			t.Helper()
			switch o := o.(type) {
			case *v1alpha1.SfsPlatform:
				before := o.DeepCopy()
				o.Annotations = map[string]string{v1alpha1.PausedAnnotation: "true"}
				return cluster.strict.Patch(t.Context(), o, client.MergeFrom(before))
			case *v1alpha1.SfsClient:
				before := o.DeepCopy()
				o.Annotations = map[string]string{v1alpha1.PausedAnnotation: "true"}
				return cluster.strict.Patch(t.Context(), o, client.MergeFrom(before))
			case *v1alpha1.OAuthToken:
				before := o.DeepCopy()
				o.Annotations = map[string]string{v1alpha1.PausedAnnotation: "true"}
				return cluster.strict.Patch(t.Context(), o, client.MergeFrom(before))
			}
			return errors.ErrUnsupported
		},
	}
	create(t, platform)
	create(t, tenant)
	create(t, access)
	for name, patch := range patches {
		for _, test := range []struct {
			written *unstructured.Unstructured
			typed   client.Object
		}{
			{platform, &v1alpha1.SfsPlatform{}},
			{tenant, &v1alpha1.SfsClient{}},
			{access, &v1alpha1.OAuthToken{}},
		} {
			if err := cluster.strict.Get(t.Context(), client.ObjectKeyFromObject(test.written), test.typed); err != nil {
				t.Fatal(err)
			}
			if err := patch(t, test.typed); err != nil {
				t.Fatalf("a patch %s: %v", name, err)
			}
			got := reread(t, test.written)
			if !reflect.DeepEqual(got.Object["spec"], test.written.Object["spec"]) || got.GetGeneration() != 1 {
				t.Errorf("after a patch %s the spec is %v, want %v", name, got.Object["spec"], test.written.Object["spec"])
			}
		}
	}
}

func TestTheSamplesAreAccepted(t *testing.T) {
	t.Parallel()
	accepted := 0
	files, err := filepath.Glob("../../config/samples/oauth/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if o.GetKind() != oauthKind {
				continue
			}
			accepted++
			o.SetNamespace(metav1.NamespaceDefault)
			if err := cluster.strict.Create(t.Context(), o, client.DryRunAll); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if accepted != 4 {
		t.Errorf("%d were tried, want 4", accepted)
	}
}

// Whatever stands in the Go types stands in the definition as well, under the same name: what it does not know, it refuses.
func TestAnAccessTokenIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	shape := v1alpha1.SecretSpec{
		Name: "access", Type: "Opaque", Keys: map[string]v1alpha1.SecretKey{"scope": ""}, CreationPolicy: v1alpha1.SecretOrphan,
	}
	spec := v1alpha1.OAuthTokenSpec{
		Grant: v1alpha1.GrantRefreshToken, ClientAuthentication: v1alpha1.ClientAuthenticationForm,
		Scopes:               []v1alpha1.OAuthScope{"b", "A"},
		CredentialsSecretRef: v1alpha1.CredentialsSecretReference{Name: "credentials"},
		Token: v1alpha1.OAuthAccessTokenSpec{
			TokenLife: v1alpha1.TokenLife{
				RenewBefore: &metav1.Duration{Duration: 4 * time.Minute}, RevocationPolicy: v1alpha1.RevokeOnRotate,
				PreviousTokenGracePeriod: &metav1.Duration{Duration: 7 * time.Minute},
			},
			Secret: shape,
		},
		RolloutRestartTargets: []v1alpha1.RestartedWorkload{{
			Name: "web", Kind: v1alpha1.RestartDeployment, MinInterval: &metav1.Duration{Duration: time.Hour},
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		}},
		Suspend: true,
	}
	at := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local))
	status := v1alpha1.OAuthTokenStatus{
		ObservedGeneration: 1,
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.AvailableReason, LastTransitionTime: at,
		}},
		Token: &v1alpha1.TokenStatus{
			SecretRef: v1alpha1.SecretReference{Name: "access"}, IssuedTime: at, ExpirationTime: at, RenewalTime: at, Revision: 3,
			PreviousRevocationTime: &at,
		},
		FormerSecrets:      []v1alpha1.FormerSecret{{Name: "former", RemovalTime: at}},
		RolloutRestarts:    []v1alpha1.RolloutRestart{{Name: "web", Fingerprint: "f", LastRestartTime: &at, Pending: true, Message: "m"}},
		LastHandledRenewAt: "1", LastHandledRevokeAt: "2",
	}
	for name, provider := range map[string]v1alpha1.OAuthProvider{
		"secured-signing": {SecuredSigning: &v1alpha1.SecuredSigningProvider{
			Region: v1alpha1.SecuredSigningNewZealand, AccountCheck: v1alpha1.AccountCheckEnabled,
		}},
		"generic": {Generic: &v1alpha1.GenericProvider{
			TokenURL: genericTokenURL, RevocationURL: "https://id.example.com/revoke", CABundle: []byte("PEM"),
		}},
	} {
		o := &v1alpha1.OAuthToken{
			ObjectMeta: metav1.ObjectMeta{Name: "round-trip-" + name, Namespace: metav1.NamespaceDefault}, Spec: *spec.DeepCopy(),
		}
		o.Spec.Provider = provider
		want := o.DeepCopy().Spec
		create(t, o)
		status.DeepCopyInto(&o.Status)
		if err := cluster.strict.Status().Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		got := &v1alpha1.OAuthToken{}
		if err := cluster.strict.Get(t.Context(), client.ObjectKeyFromObject(o), got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Spec, want) || !reflect.DeepEqual(got.Status, status) {
			t.Errorf("%s: got\n%+v\n%+v\nwant\n%+v\n%+v", name, got.Spec, got.Status, want, status)
		}
	}
}

func TestStatusAndSpecAreWrittenApart(t *testing.T) {
	t.Parallel()
	o := newObject(clientKind)
	create(t, o)
	all(set("status.clientKey", "made-up"), set("spec.suspend", true))(o)
	if err := cluster.strict.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	got := reread(t, o)
	if is := field(t, got, "status.clientKey"); is != nil {
		t.Errorf("who may write the spec has written the clientKey %v into the status", is)
	}
	all(set("status.clientKey", "real"), set("spec.suspend", false))(got)
	if err := cluster.strict.Status().Update(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	got = reread(t, o)
	if field(t, got, "status.clientKey") != "real" || field(t, got, "spec.suspend") != true {
		t.Errorf("after a write of the status there is %v", got.Object)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	client, err := discovery.NewDiscoveryClientForConfig(cluster.config)
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil {
		t.Fatal(err)
	}
	type resource struct {
		kind, shortName string
		namespaced      bool
	}
	want := map[string]resource{
		"sfsplatforms":   {platformKind, "sfsp", false},
		"sfsclients":     {clientKind, "sfsc", true},
		"sfsclientusers": {userKind, "sfsu", true},
		"oauthtokens":    {oauthKind, "oat", true},
	}
	statuses := 0
	for _, r := range list.APIResources {
		if w, known := want[r.Name]; known {
			if got := (resource{r.Kind, r.ShortNames[0], r.Namespaced}); got != w || len(r.ShortNames) != 1 {
				t.Errorf("%s is %v with short names %v, want %v", r.Name, got, r.ShortNames, w)
			}
			if !slices.Equal(r.Categories, []string{"sfs"}) {
				t.Errorf("%s is in %v: kubectl get sfs would not show it", r.Name, r.Categories)
			}
			delete(want, r.Name)
		} else if base, ok := strings.CutSuffix(r.Name, "/status"); ok && slices.Contains([]string{"sfsplatforms", "sfsclients", "sfsclientusers", "oauthtokens"}, base) {
			statuses++
		} else {
			t.Errorf("%s is served, and nobody expects it", r.Name)
		}
	}
	if len(want) > 0 || statuses != len(kinds) {
		t.Errorf("not served: %v; %d subresources status", want, statuses)
	}
}

// What kubectl prints is read by people, and by scripts that should not.
func TestColumns(t *testing.T) {
	t.Parallel()
	type column struct {
		name, kind string
		wide       bool
	}
	tests := map[string]struct {
		path string
		want []column
	}{
		platformKind: {
			path: "/apis/sendforsign.com/v1alpha1/sfsplatforms",
			want: []column{
				{"Name", "string", false}, {"Ready", "string", false}, {"Reason", "string", false}, {"Clients", "integer", false},
				{"Prefix", "string", false}, {"Age", "date", false}, {"ClientsReady", "integer", true}, {"Credentials", "string", true},
				{"URL", "string", true}, {"Message", "string", true},
			},
		},
		clientKind: {
			path: "/apis/sendforsign.com/v1alpha1/sfsclients",
			want: []column{
				{"Name", "string", false}, {"Ready", "string", false}, {"Reason", "string", false}, {"Secret", "string", false},
				// A column of type date shows a time to come as <invalid>.
				{"Expires", "string", false},
				{"Age", "date", false}, {"Platform", "string", true}, {"ClientKey", "string", true}, {"Renewal", "string", true},
				{"Message", "string", true},
			},
		},
		userKind: {
			path: "/apis/sendforsign.com/v1alpha1/sfsclientusers",
			want: []column{
				{"Name", "string", false}, {"Ready", "string", false}, {"Reason", "string", false}, {"Client", "string", false},
				{"Secret", "string", false}, {"Age", "date", false}, {"UserKey", "string", true}, {"ClientKey", "string", true},
				{"Message", "string", true},
			},
		},
		oauthKind: {
			path: "/apis/sendforsign.com/v1alpha1/oauthtokens",
			want: []column{
				{"Name", "string", false}, {"Ready", "string", false}, {"Reason", "string", false}, {"Secret", "string", false},
				{"Expires", "string", false}, {"Age", "date", false}, {"Credentials", "string", true}, {"Renewal", "string", true},
				{"Message", "string", true},
			},
		},
	}
	for kind, test := range tests {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var got []column
			for _, c := range getTable(t, test.path).ColumnDefinitions {
				got = append(got, column{c.Name, c.Type, c.Priority > 0})
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestColumnsShowWhatTheStatusSays(t *testing.T) {
	t.Parallel()
	o := newObject(clientKind)
	create(t, o)
	expires := time.Now().Add(20 * time.Minute).UTC().Format(time.RFC3339)
	all(
		set("status.token.secretRef.name", "globex-sfs-token"), set("status.token.expirationTime", expires),
		set("status.secretRef.name", "globex-sfs"), set("status.clientKey", "key-1"),
		set("status.conditions", []any{map[string]any{
			"type": "Ready", "status": "True", "reason": "Available", "message": "all is well", "lastTransitionTime": expires,
		}}),
	)(o)
	if err := cluster.strict.Status().Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	table := getTable(t, "/apis/sendforsign.com/v1alpha1/namespaces/default/sfsclients/"+o.GetName())
	shown := map[string]any{}
	for i, c := range table.ColumnDefinitions {
		shown[c.Name] = table.Rows[0].Cells[i]
	}
	for name, want := range map[string]any{
		"Name": o.GetName(), "Ready": "True", "Reason": "Available", "Secret": "globex-sfs", "Expires": expires,
		"ClientKey": "key-1", "Message": "all is well",
	} {
		if shown[name] != want {
			t.Errorf("column %s shows %v, want %v", name, shown[name], want)
		}
	}
}

// getTable asks as kubectl get does.
func getTable(t *testing.T, path string) metav1.Table {
	t.Helper()
	config := rest.CopyConfig(cluster.config)
	config.NegotiatedSerializer = scheme.Codecs
	kubectl, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	// It comes back after a 429, with which an API server answers that has only just begun.
	answer, err := kubectl.Get().AbsPath(path).SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context())
	if err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	var table metav1.Table
	if err := json.Unmarshal(answer, &table); err != nil {
		t.Fatal(err)
	}
	return table
}

// Two resources that stand for one client at SFS are found by these fields, also by kubectl get --field-selector.
func TestSelectableFields(t *testing.T) {
	t.Parallel()
	fields := map[string]map[string]string{
		clientKind: {
			"spec.platformRef.name": "selected", "spec.customKey": "selected-1", "spec.clientKey": "selected-2",
			"status.clientKey": "selected-3",
		},
		userKind: {"spec.clientRef.name": "selected"},
	}
	for kind, paths := range fields {
		for path, value := range paths {
			o, other := newObject(kind), newObject(kind)
			set(path, value)(o)
			create(t, o)
			create(t, other)
			if strings.HasPrefix(path, "status.") {
				set(path, value)(o)
				if err := cluster.strict.Status().Update(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind + "List"))
			if err := cluster.strict.List(t.Context(), list, client.MatchingFields{path: value}); err != nil {
				t.Errorf("%s can not be selected by %s: %v", kind, path, err)
			} else if len(list.Items) != 1 || list.Items[0].GetName() != o.GetName() {
				t.Errorf("%s by %s: got %d, want only %s", kind, path, len(list.Items), o.GetName())
			}
		}
	}
}
