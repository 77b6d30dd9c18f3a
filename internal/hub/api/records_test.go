package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/gate/audit"
	"github.com/assay-gitops/assay/internal/hub/auth/authtest"
	"github.com/assay-gitops/assay/internal/hub/state"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
)

// knownDeclared is a policy as it was declared in the hub's own cluster.
func knownDeclared() store.Declared {
	return store.Declared{Kind: state.Policy, Name: foreign, Version: "1", Object: json.RawMessage(`{"kind": "Policy", "metadata": {"name": "` + foreign + `"}, "spec": {}}`)}
}

// knownVersion is the id of its version.
func knownVersion() string {
	o := knownDeclared()
	return store.VersionID("here", &o, storetest.Start)
}

// seedRecords keeps a version of a policy and an audit, of the hub's own cluster and of another.
func (b *bed) seedRecords(t testing.TB) {
	t.Helper()
	if _, err := b.store.Declare(t.Context(), "here", storetest.Start, []store.Declared{knownDeclared()}); err != nil {
		t.Fatal(err)
	}
	for _, cluster := range []string{"here", foreign + "-cluster"} {
		pass, err := passOf(&audit.Pass{ID: "pass-1", Trigger: "periodic-audit", Start: storetest.Start, End: storetest.Start.Add(time.Minute)})
		if err == nil {
			err = b.store.AddPass(t.Context(), cluster, pass)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// rule is a policy that says so.
func rule(name, says string) *v2.Policy {
	return &v2.Policy{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid-1", ResourceVersion: says, Annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
		Spec:       v2.PolicySpec{ID: name, Name: says, Severity: v2.SeverityHigh, Code: "package p", Standards: []v2.PolicyStandard{{ID: "cis"}}},
		Status:     v2.PolicyStatus{Modes: []string{"audit"}},
	}
}

// tell sends the state of a cluster as its agent does.
func (b *bed) tell(t *testing.T, token string, told state.State) answer {
	t.Helper()
	told.Version = state.Version
	body, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	return b.send(t, http.MethodPost, token, state.Path, string(body), "Content-Type", "application/json")
}

func (b *bed) tellAll(t *testing.T, token string, told state.State, changed int) {
	t.Helper()
	if got := b.tell(t, token, told); got.status != http.StatusOK || strings.TrimSpace(got.body) != fmt.Sprintf(`{"changed":%d}`, changed) {
		t.Fatalf("%d %s, want %d changed", got.status, got.body, changed)
	}
}

func TestWhatOtherClustersAreJudgedByIsAnsweredFromWhatTheyTell(t *testing.T) {
	b := newBed(t)
	at := func(hours int) time.Time { return storetest.Start.Add(time.Duration(hours) * time.Hour) }
	config := &v2.PolicyConfig{ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Spec: v2.PolicyConfigSpec{
		Match: v2.PolicyConfigTarget{Namespaces: []string{"shop"}}, Config: map[string]v2.PolicyConfigConfig{"a": {}},
	}}
	set := &v2.PolicySet{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Spec: v2.PolicySetSpec{Mode: v2.ModeAudit}}
	exception := &v2.PolicyException{ObjectMeta: metav1.ObjectMeta{Name: "soon"}, Spec: v2.PolicyExceptionSpec{Policies: []string{"a"}, Reason: "soon"}}
	first := engine.Sources{Policies: []*v2.Policy{rule("a", "one"), rule("b", "one")}, Configs: []*v2.PolicyConfig{config}, Sets: []*v2.PolicySet{set}, Exceptions: []*v2.PolicyException{exception}}
	second := engine.Sources{Policies: []*v2.Policy{rule("a", "two")}, Configs: first.Configs, Sets: first.Sets, Exceptions: first.Exceptions}
	b.tellAll(t, farAgent, state.State{At: at(1), Objects: state.Objects(first)}, 5)
	first.Policies[0].ResourceVersion = "3"
	b.tellAll(t, farAgent, state.State{At: at(2), Objects: state.Objects(first)}, 0)
	b.tellAll(t, farAgent, state.State{At: at(3), Objects: state.Objects(second)}, 2)

	far := "clusterName=" + foreign + "-cluster"
	for query, want := range map[string]string{
		far: "a two", far + "&at=2026-03-10T14:30:00Z": "a one, b one", far + "&at=2026-03-10T15:30:00Z": "a two",
	} {
		var said []string
		for _, p := range ask[Policies](t, b, platform, "/v1/policies?"+query).Policies {
			said = append(said, p.ID+" "+p.Name)
			if p.ClusterName != foreign+"-cluster" || len(p.Modes) != 1 {
				t.Errorf("%+v", p)
			}
		}
		if strings.Join(said, ", ") != want {
			t.Errorf("%s: %v, want %s", query, said, want)
		}
	}
	if p := ask[OnePolicy](t, b, platform, "/v1/policies/b?at=2026-03-10T14:30:00Z&"+far).Policy; p.Code != "package p" {
		t.Errorf("%+v", p)
	}
	if found := ask[PolicyConfigs](t, b, platform, "/v1/policy-configs?"+far); found.Total != 1 || found.PolicyConfigs[0].ClusterName != foreign+"-cluster" {
		t.Errorf("%+v", found)
	}
	if c := ask[OnePolicyConfig](t, b, platform, "/v1/policy-configs/shop?"+far); len(c.Policies) != 1 || c.Policies[0].Name != "two" {
		t.Errorf("%+v", c)
	}
	if found := ask[PolicySets](t, b, platform, "/v1/policy-sets?"+far); found.Total != 1 {
		t.Errorf("%+v", found)
	}
	if found := ask[Exceptions](t, b, platform, "/v1/exceptions?"+far); found.Total != 1 {
		t.Errorf("%+v", found)
	}
	if found := ask[Standards](t, b, platform, "/v1/standards?"+far); len(found.Standards) != 1 || found.Standards[0].Open == nil {
		t.Errorf("%+v", found)
	}
	if found := ask[Standards](t, b, platform, "/v1/standards?at=2026-03-10T14:30:00Z&"+far); len(found.Standards) != 1 || len(found.Standards[0].Policies) != 2 || found.Standards[0].Open != nil {
		t.Errorf("%+v", found)
	}
	for path, says := range map[string]string{
		"/v1/policies?" + far + "&at=2026-03-10T12:30:00Z":   "had not told by then",
		"/v1/policies?at=2026-03-10T12:30:00Z":               "cluster here was judged by at 2026-03-10T12:30:00Z is not known",
		"/v1/policies?clusterName=other":                     "no agent of another of that name",
		"/v1/policies/b?" + far:                              "policy b not found in cluster " + foreign,
		"/v1/policy-configs/b?" + far:                        "policy config b not found",
		"/v1/policy-versions/0123456789abcdef01234567890abc": "not found",
	} {
		if got := b.get(t, platform, path); got.status != http.StatusNotFound || !strings.Contains(got.problem(t), says) {
			t.Errorf("%s: %d %s, want %q", path, got.status, got.body, says)
		}
	}

	var lines []string
	versions := ask[PolicyVersions](t, b, platform, "/v1/policy-versions?limit=3")
	for _, v := range append(versions.Items, ask[PolicyVersions](t, b, platform, "/v1/policy-versions?cursor="+versions.Next).Items...) {
		to := "-"
		if v.To != nil {
			to = v.To.Format("15:04")
		}
		lines = append(lines, fmt.Sprintf("%s/%s %s %s", v.Kind, v.Name, v.From.Format("15:04"), to))
	}
	slices.Sort(lines)
	if got, want := strings.Join(lines, "\n"), "Policy/a 13:00 15:00\nPolicy/a 15:00 -\nPolicy/b 13:00 15:00\nPolicyConfig/shop 13:00 -\nPolicyException/soon 13:00 -\nPolicySet/all 13:00 -"; got != want {
		t.Errorf("versions:\n%s", got)
	}
	for filter, want := range map[string]int{
		"kind=PolicySet&kind=Policy": 4, "name=a": 2, "cluster=here": 0, "since=2026-03-10T15:00:01Z": 4, "until=2026-03-10T15:00:00Z": 5,
	} {
		if got := ask[PolicyVersions](t, b, platform, "/v1/policy-versions?"+filter); len(got.Items) != want {
			t.Errorf("%s: %+v", filter, got)
		}
	}
	one := ask[OnePolicyVersion](t, b, platform, "/v1/policy-versions/"+ask[PolicyVersions](t, b, platform, "/v1/policy-versions?name=b").Items[0].ID)
	if metadata, _ := one.Object["metadata"].(map[string]any); metadata["name"] != "b" || metadata["annotations"] != nil || one.Object["kind"] != "Policy" {
		t.Errorf("%+v", one)
	}
}

func TestVersionsOfWhatOneMayNotSeeAreNotThere(t *testing.T) {
	b := newBed(t)
	both := []string{"list", "get"}
	b.cluster.Allow(
		authtest.Grant{Name: "tenant", Resource: "policies", Verbs: both}, authtest.Grant{Name: "platform", Resource: "policies", Verbs: both},
		authtest.Grant{Name: "platform", Resource: "policyconfigs", Verbs: both},
	)
	config := &v2.PolicyConfig{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	b.tellAll(t, agent, state.State{At: storetest.Start, Objects: state.Objects(engine.Sources{Policies: []*v2.Policy{rule("a", "one")}, Configs: []*v2.PolicyConfig{config}})}, 2)
	found := ask[PolicyVersions](t, b, tenant, "/v1/policy-versions")
	if len(found.Items) != 1 || found.Items[0].Kind != state.Policy {
		t.Errorf("%+v", found)
	}
	if found := ask[PolicyVersions](t, b, tenant, "/v1/policy-versions?kind=PolicyConfig"); len(found.Items) != 0 {
		t.Errorf("%+v", found)
	}
	hidden := ask[PolicyVersions](t, b, platform, "/v1/policy-versions?kind=PolicyConfig").Items[0].ID
	if got := b.get(t, tenant, "/v1/policy-versions/"+hidden); got.status != http.StatusNotFound {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestAuditsAreShownWithWhatTheyCounted(t *testing.T) {
	b := newBed(t)
	pass := audit.Pass{
		ID: "p1", Trigger: "requested-audit", Request: "now", Start: storetest.Start, End: storetest.Start.Add(time.Minute), Errors: []string{"secrets: forbidden"}, MoreErrors: 2,
		Kinds: map[string]audit.KindCount{"pods": {Objects: 3, Open: 1}, "deployments.apps": {Objects: 2, Judged: 4}}, Policies: map[string]audit.PolicyCount{"b": {Open: 1}, "a": {Failed: 1}},
	}
	running := audit.Pass{ID: "p2", Trigger: "periodic-audit", Start: storetest.Start.Add(time.Hour)}
	b.tellAll(t, agent, state.State{At: storetest.Start, Audits: []audit.Pass{pass, running}}, 0)
	b.tellAll(t, farAgent, state.State{At: storetest.Start, Audits: []audit.Pass{pass}}, 0)

	all := ask[Audits](t, b, platform, "/v1/audits")
	if len(all.Items) != 3 || all.Items[0].ID != "p2" || all.Items[0].End != nil || all.Items[1].Failures != 3 || all.Items[1].End == nil {
		t.Errorf("%+v", all)
	}
	one := ask[OneAudit](t, b, platform, "/v1/audits/here/p1")
	if len(one.Kinds) != 2 || one.Kinds[0] != (AuditedKind{Resource: "deployments.apps", Objects: 2, Judged: 4}) || one.Policies[1] != (AuditedPolicy{"b", 1, 0}) || one.Errors[0] != "secrets: forbidden" {
		t.Errorf("%+v", one)
	}
	// A tenant sees that its cluster was audited.
	for query, want := range map[string]int{"": 2, "?cluster=here": 2, "?cluster=" + foreign + "-cluster": 0, "?limit=1": 1} {
		if mine := ask[Audits](t, b, tenant, "/v1/audits"+query); len(mine.Items) != want {
			t.Errorf("%s: %+v", query, mine)
		}
	}
	if got := b.get(t, platform, "/v1/audits/here/p9"); got.status != http.StatusNotFound {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestABadStateIsRefusedWithTheReason(t *testing.T) {
	b := newBed(t)
	object := `{"apiVersion": "pac.weave.works/v2beta3", "kind": "Policy", "metadata": {"name": "a", "creationTimestamp": "2026-03-10T00:00:00Z"}, "spec": {}}`
	good := `"version": 1, "at": "2026-03-10T12:00:00Z", "objects": [`
	for name, c := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"no JSON":            {`{`, 400, "not the state of a cluster"},
		"an array":           {`[]`, 400, "not the state of a cluster"},
		"more":               {`{` + good + `]} {}`, 400, "more after"},
		"an unknown field":   {`{"more": 1, ` + good + `]}`, 400, "more"},
		"no version":         {`{"at": "2026-03-10T12:00:00Z", "objects": []}`, 400, "no version"},
		"a newer version":    {`{"version": 2}`, 501, "upgraded first"},
		"no time":            {`{"version": 1, "objects": []}`, 422, "no time of this age"},
		"tomorrow":           {`{"version": 1, "at": "2027-01-01T00:00:00Z", "objects": []}`, 422, "the hub's clock"},
		"another cluster":    {`{"cluster": "there", ` + good + `]}`, 403, "the token is for cluster here"},
		"another kind":       {`{` + good + strings.Replace(object, `"Policy"`, `"Secret"`, 1) + `]}`, 400, "none of Policy"},
		"another group":      {`{` + good + strings.Replace(object, `pac.weave.works`, `example.com`, 1) + `]}`, 422, "not of group"},
		"no name":            {`{` + good + strings.Replace(object, `"name": "a"`, `"uid": "a"`, 1) + `]}`, 422, "no name"},
		"a long name":        {`{` + good + strings.Replace(object, `"name": "a"`, `"name": "`+strings.Repeat("a", 2000)+`"`, 1) + `]}`, 422, "longer than"},
		"no spec":            {`{` + good + strings.Replace(object, `, "spec": {}`, ``, 1) + `]}`, 400, "has no spec"},
		"a spec of no sense": {`{` + good + strings.Replace(object, `"spec": {}`, `"spec": {"severity": []}`, 1) + `]}`, 400, "the spec of Policy a"},
		"twice":              {`{` + good + object + `,` + object + `]}`, 422, "twice"},
		"an audit without":   {`{"audits": [{"id": ""}], ` + good + `]}`, 422, "audits[0]"},
		"too many audits":    {`{"audits": [` + strings.Repeat(`{},`, 100) + `{}], ` + good + `]}`, 422, "more than 100"},
	} {
		got := b.send(t, http.MethodPost, agent, state.Path, c.body, "Content-Type", "application/json")
		if got.status != c.status || !strings.Contains(got.problem(t), c.says) {
			t.Errorf("%s: %d %s, want %d and %q", name, got.status, got.body, c.status, c.says)
		}
	}
	if got := b.send(t, http.MethodPost, agent, state.Path, "{}", "Content-Type", "text/plain"); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("%d %s", got.status, got.body)
	}
	long := `{` + good + `], "cluster": "` + strings.Repeat("a", MaxBody) + `"}`
	if got := b.send(t, http.MethodPost, agent, state.Path, long, "Content-Type", "application/json"); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", got.status, got.body)
	}
	if found, err := b.store.Versions(context.Background(), store.VersionQuery{}, 10, ""); err != nil || len(found.Items) != 0 {
		t.Errorf("something was kept: %+v, %v", found, err)
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add([]byte(`{"version": 1, "at": "2026-03-10T12:00:00Z", "objects": [{"apiVersion": "pac.weave.works/v2beta3", "kind": "Policy", "metadata": {"name": "a"}, "spec": {"parameters": [{"value": 1e400}]}}]}`))
	f.Add([]byte(`{"version": 1, "audits": [{"id": "a", "kinds": {"pods": {"objects": 1}}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var told state.State
		if err := decodeState(strings.NewReader(string(body)), &told); err != nil {
			return
		}
		declared, err := declaredOf(&told, now())
		if err != nil {
			return
		}
		for _, o := range declared {
			var again state.Object
			if err := json.Unmarshal(o.Object, &again); err != nil {
				t.Errorf("what is kept cannot be read: %v: %s", err, o.Object)
			}
		}
	})
}
