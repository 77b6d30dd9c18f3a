package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/auth/authtest"
	"github.com/assay-gitops/assay/internal/hub/store"
)

// gets runs assay get, and tells its exit code and what it wrote.
func (h *aHub) gets(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, faults bytes.Buffer
	code = Main(t.Context(), Env{
		Args:  append([]string{"assay", "get"}, append(args, "--hub", h.server.URL, "--token-file", h.token)...),
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &faults, Getenv: func(string) string { return "" }, Version: "v0.0.0-test",
	})
	return code, out.String(), faults.String()
}

func TestWhatAClusterIsJudgedByIsGotAsItIsAndAsItWas(t *testing.T) {
	h := newHubToAsk(t)
	h.cluster.Allow(authtest.Grant{Name: "me", Resource: "policies", Verbs: []string{"list"}}, authtest.Grant{Name: "me", Verbs: []string{"list"}})
	day := 24 * time.Hour
	declare := func(ago time.Duration, says string) {
		t.Helper()
		object := json.RawMessage(`{"metadata": {"name": "a"}, "spec": {"id": "a", "severity": "` + says + `"}}`)
		if _, err := h.store.Declare(t.Context(), "edge", time.Now().Add(-ago), []store.Declared{{Kind: "Policy", Name: "a", Version: says, Object: object}}); err != nil {
			t.Fatal(err)
		}
	}
	declare(10*day, "low")
	declare(2*day, "high")
	if err := h.store.AddPass(t.Context(), "edge", &store.Pass{ID: "p1", Trigger: "periodic-audit", Start: time.Now().Add(-3 * time.Hour), Failures: 2}); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-5 * day).UTC()
	for _, c := range []struct {
		args   []string
		code   int
		out    string
		stderr string
	}{
		{[]string{"policies", "--cluster", "edge"}, 0, "ID  SEVERITY CATEGORY ENFORCED MODES READY   AGE\na   high              true     -     Unknown -", ""},
		{[]string{"policies", "--cluster", "edge", "--at", "120h"}, 0, "ID  SEVERITY CATEGORY ENFORCED MODES READY   AGE\na   low               true     -     Unknown -", ""},
		{[]string{"policies", "--cluster", "edge", "--at", before.Format(time.DateOnly), "-o", "name"}, 0, "policies/a", ""},
		{[]string{"policies", "--cluster", "edge", "--at", before.Format(time.RFC3339), "-o", "name"}, 0, "policies/a", ""},
		{[]string{"policies", "--cluster", "edge", "--at", "1000h"}, 2, "", "not known"},
		{[]string{"policies", "--cluster", "nowhere"}, 2, "", "cluster nowhere not found"},
		{[]string{"policies", "--at", "yesterday"}, 2, "", `--at "yesterday": give a time such as`},
		{[]string{"exceptions", "--cluster", "edge"}, 2, "", "may not list policyexceptions"},
		{[]string{"policyversions"}, 0, "CLUSTER KIND   NAME BEGAN ENDED\nedge    Policy a    2d    -\nedge    Policy a    10d   2d", ""},
		{[]string{"policyversions", "--until", "216h", "--name", "a", "--kind", "Policy", "--cluster", "edge"}, 0, "CLUSTER KIND   NAME BEGAN ENDED\nedge    Policy a    10d   2d", ""},
		{[]string{"policyversions", "--cluster", "nowhere"}, 0, "", "no policyversions"},
		{[]string{"audits", "-o", "wide"}, 0, "CLUSTER ID  TRIGGER        STARTED ENDED FAILURES REQUEST\nedge    p1  periodic-audit 3h      -     2        -", ""},
		{[]string{"audits", "--since", "24h"}, 2, "", "unknown flag --since"},
	} {
		code, out, stderr := h.gets(t, c.args...)
		if code != c.code || squeezed(out) != squeezed(c.out) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%v: %d\n%s%s", c.args, code, out, stderr)
		}
	}
}

// squeezed has one space between words.
func squeezed(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	return strings.Join(lines, "\n")
}
