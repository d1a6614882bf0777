package v1alpha1_test
import ("testing";"strings";"sigs.k8s.io/controller-runtime/pkg/client"
apierrors "k8s.io/apimachinery/pkg/api/errors")
func TestProbe(t *testing.T) {
	for _, c := range []struct{k string; c change}{
		{platformKind, unset("spec")},
		{clientKind, set("spec", nil)},
		{platformKind, set("spec.baseURL","https://")},
		{platformKind, set("spec.baseURL","https:///x")},
		{platformKind, set("spec.baseURL","https:abcdef")},
		{platformKind, set("spec.baseURL","https://:443/")},
		{platformKind, set("spec.baseURL","https://a b/")},
		{platformKind, set("spec.baseURL","HTTPS://api.example.com")},
		{platformKind, set("spec.baseURL","http://api.example.com")},
		{platformKind, set("spec.baseURL","https://x/"+strings.Repeat("a",503))},
		{platformKind, set("spec.timeout","soon")},
		{platformKind, set("spec.timeout","")},
		{platformKind, set("spec.timeout","15")},
		{platformKind, set("spec.timeout",int64(15))},
		{platformKind, set("spec.timeout","30.001s")},
		{platformKind, set("spec.token.renewBefore","banana")},
		{platformKind, set("spec.token.renewBefore","1d")},
		{platformKind, set("spec.rateLimit.burst",int64(0))},
		{platformKind, set("spec.rateLimit.burst",int64(10001))},
		{platformKind, set("spec.rateLimit.burst",int64(1<<40))},
		{platformKind, set("spec.caBundle","")},
		{platformKind, set("spec.caBundle","not base64!")},
		{platformKind, set("spec.caBundle",strings.Repeat("a",131076))},
		{platformKind, set("spec.allowedNamespaces",map[string]any{})},
		{platformKind, set("spec.allowedNamespaces.names",[]any{})},
		{platformKind, set("spec.allowedNamespaces.names",[]any{"", strings.Repeat("a",64), "x","x"})},
		{platformKind, set("spec.allowedNamespaces.names",manyNames(1025))},
		{platformKind, set("spec.allowedNamespaces.selector.matchExpressions",[]any{map[string]any{}})},
		{platformKind, set("spec.allowedNamespaces.selector.matchExpressions",[]any{map[string]any{"key":"a b","operator":"Bogus"}})},
		{platformKind, set("spec.allowedNamespaces.selector",map[string]any{})},
		{platformKind, set("spec.credentialsSecretRef",map[string]any{})},
		{platformKind, set("spec.credentialsSecretRef.name","")},
		{platformKind, unset("spec.credentialsSecretRef")},
		{platformKind, set("spec.customKeyPrefix","a\n")},
		{clientKind, set("spec.token.revocationPolicy","OnRotate")},
		{clientKind, set("spec.token.revocationPolicy","")},
		{clientKind, set("spec.email","a@b\nc")},
		{clientKind, set("spec.email","")},
		{clientKind, set("spec.email","a@@b")},
		{clientKind, set("metadata.name",strings.Repeat("a",201))},
		{clientKind, all(set("spec.secret.name","x"),set("spec.token.secret.name","x"))},
		{userKind, unset("spec")},
		{userKind, unset("spec.clientRef")},
		{userKind, set("spec.clientRef.name", "Not A Name")},
		{userKind, set("spec.bogus", "Not A Name")},
		{userKind, set("spec.fullName", strings.Repeat("é",256))},
		{userKind, set("spec.fullName", strings.Repeat("é",257))},
		{userKind, set("spec.default", true)},
	} {
		o := newObject(c.k); c.c(o)
		err := cluster.strict.Create(t.Context(), o, client.DryRunAll)
		s := "<ok>"
		if err != nil { s = err.Error(); if len(s)>500 {s=s[:300]+" ... "+s[len(s)-200:]} 
		var st apierrors.APIStatus
		st, _ = err.(apierrors.APIStatus)
		if st != nil && st.Status().Details != nil { for _, c := range st.Status().Details.Causes { m:=c.Message; if len(m)>300{m=m[len(m)-300:]}; s += "\n      CAUSE "+string(c.Type)+" | "+c.Field+" | "+m } }
		} else { b,_ := o.MarshalJSON(); s += string(b)[:min(len(b),600)] }
		t.Log(s)
	}
}
