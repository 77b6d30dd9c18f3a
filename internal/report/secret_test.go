package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

func TestMaskedLines(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		secret bool // the finding is about a Secret
		want   string
	}{
		"a manifest shows what identifies it, and its keys": {
			source: "apiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata:\n  name: db\n  annotations:\n    a: hunter2\ndata:\n  password: hunter2\n",
			want:   "apiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata:\n  name: db\n  annotations:\n    a: ***\ndata:\n  password: ***\n",
		},
		"keys of the data may be called as those of a manifest": {
			source: "kind: Secret\nstringData:\n  name: hunter2\n  type: hunter2\n  metadata: hunter2\n",
			want:   "kind: Secret\nstringData:\n  name: ***\n  type: ***\n  metadata: ***\n",
		},
		"texts of several lines are hidden with what looks like keys": {
			source: "kind: Secret\nstringData:\n  conf: |\n    name: hunter2\n    hunter2: 1\n    hunter2:\n  more: >-\n    hunter2:\n  quoted: \"a\n    hunter2: b\"\n",
			want:   "kind: Secret\nstringData:\n  conf: |\n    ***\n    ***\n    ***\n  more: ***\n    ***\n  quoted: ***\n    ***\n",
		},
		"flow style": {
			source: "kind: Secret\ndata: {password: hunter2,\n  type: hunter2}\n",
			want:   "kind: Secret\ndata: ***\n  ***\n",
		},
		"comments": {
			source: "kind: Secret # a comment\ndata: # hunter2\n  # hunter2\n  a: hunter2\n",
			want:   "kind: Secret # a comment\ndata: ***\n  ***\n  a: ***\n",
		},
		"JSON": {
			source: "{\n  \"kind\": \"Secret\",\n  \"data\": {\n    \"password\": \"hunter2\"\n  }\n}\n",
			want:   "***\n  ***\n  ***\n    ***\n  ***\n***\n",
		},
		"JSON on one line": {
			source: `{"kind": "Secret", "data": {"password": "hunter2"}}`,
			want:   "***",
		},
		"a list": {
			source: "kind: List\nitems:\n- kind: Secret\n  metadata:\n    name: db\n  data:\n    type: hunter2\n",
			want:   "kind: List\nitems:\n- kind: Secret\n  metadata:\n    name: db\n  data:\n    type: ***\n",
		},
		"another document of the file is not hidden": {
			source: "kind: Secret\ndata:\n  a: hunter2\n---\nkind: ConfigMap\ndata:\n  a: b\n",
			want:   "kind: Secret\ndata:\n  a: ***\n---\nkind: ConfigMap\ndata:\n  a: b\n",
		},
		"a reference to a Secret is not one": {
			source: "kind: HelmRelease\nspec:\n  valuesFrom:\n  - kind: Secret\n    name: values\n  interval: 5m\n",
			want:   "kind: HelmRelease\nspec:\n  valuesFrom:\n  - kind: Secret\n    name: values\n  interval: 5m\n",
		},
		"generators of a kustomization": {
			source: "namespace: shop\nsecretGenerator:\n- name: db\n  literals:\n  - password=hunter2\n  - type: hunter2\nimages:\n- name: nginx\n",
			want:   "namespace: shop\nsecretGenerator:\n- name: ***\n  literals:\n  - ***\n  - type: ***\nimages:\n- name: nginx\n",
		},
		"a file of variables that a Secret is made of": {
			source: "PASSWORD=hunter2\ntype: hunter2\n",
			secret: true,
			want:   "***\ntype: ***\n",
		},
		"a template that a Secret is made of": {
			source: "{{- if .x }}\nkind: Secret\nstringData:\n  {{- with .y }}\n  name: hunter2\n  password: {{ \"hunter2\" }}\n  {{- end }}\n{{- end }}\n",
			secret: true,
			want:   "***\nkind: Secret\nstringData:\n  ***\n  name: ***\n  password: ***\n  ***\n***\n",
		},
		"what is no Secret is shown": {
			source: "kind: ConfigMap\ndata:\n  password: visible\n",
			want:   "kind: ConfigMap\ndata:\n  password: visible\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.WriteFile(filepath.Join(root, "f.yaml"), []byte(c.source), 0o600); err != nil {
				t.Fatal(err)
			}
			s := sources{root: root}
			var got []string
			for n := 1; ; n++ {
				line, ok := s.show("f.yaml", n, c.secret)
				if !ok {
					break
				}
				got = append(got, line)
			}
			if got := strings.Join(got, "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestRecommendedValuesOfSecretsAreHidden(t *testing.T) {
	secret, configMap := object("v1", "Secret", "shop", "db", ""), object("v1", "ConfigMap", "shop", "db", "")
	for _, c := range []struct {
		object *policy.Object
		path   string
		want   bool
	}{
		{secret, "data.password", true},
		{secret, "$.stringData.password", true},
		{secret, `["data"]["tls.key"]`, true},
		{secret, "", true},
		{secret, "metadata", true},
		{secret, `metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]`, true},
		{secret, "metadata.labels.team", false},
		{secret, "type", false},
		{configMap, "data.password", false},
		{object("example.com/v1", "Secret", "", "other", ""), "data.password", false},
	} {
		if got := isSecretValue(c.object, c.path); got != c.want {
			t.Errorf("%s %q: %t", c.object, c.path, got)
		}
	}
}

// TestNoFormatShowsASecret has a finding in each place that a Secret's values can be in.
func TestNoFormatShowsASecret(t *testing.T) {
	root := t.TempDir()
	source := "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  name: hunter2\n  conf: |\n    type: hunter2\n  other: hunter2\n"
	if err := os.WriteFile(filepath.Join(root, "s.yaml"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	p := examplePolicy("p", "P", v2.SeverityHigh, true)
	r := &Report{Root: root, Problems: []policy.Problem{{Kind: policy.LoadProblem, Location: policy.Location{File: "s.yaml", Line: 8}, Message: "broken"}}}
	for line := 1; line <= 9; line++ {
		for _, o := range []*policy.Object{object("v1", "Secret", "", "db", "s.yaml"), object("v1", "Pod", "", "db", "s.yaml")} {
			r.Findings = append(r.Findings, Finding{
				Result:     &policy.Result{Policy: p, Object: o, Status: policy.Violation, Enforced: true},
				Occurrence: policy.Occurrence{Message: "m", Path: "stringData.other"},
				Location:   policy.Location{File: "s.yaml", Line: line, Column: 3},
			})
			if isSecret(o) {
				r.Findings[len(r.Findings)-1].Occurrence.RecommendedValue = map[string]any{"a": "hunter2"}
			}
		}
	}
	for _, format := range Formats() {
		if got := write(t, format, Options{Frames: true}, r); bytes.Contains(got, []byte("hunter2")) {
			t.Errorf("%s shows a secret:\n%s", format, got)
		}
	}
}
