package kustomize

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/policy"
)

// deployment is one with a metadata of its own.
func deployment(file, name, metadata string) string {
	return "-- " + file + " --\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: " + name + "\n" + metadata +
		"spec:\n  replicas: 1\n  template:\n    spec:\n      containers:\n      - name: c\n        image: nginx:1\n        ports:\n        - containerPort: 80\n"
}

// TestOnlyWhatIsSelectedIsPatched has two objects of a kind, one of which is changed. Both must lead to the right line.
func TestOnlyWhatIsSelectedIsPatched(t *testing.T) {
	const operation = "-- p.yaml --\n- {op: replace, path: /spec/replicas, value: 3}\n"
	merge := func(metadata string) string {
		return "-- p.yaml --\napiVersion: apps/v1\nkind: Deployment\nmetadata: {" + metadata + "}\nspec:\n  replicas: 3\n"
	}
	kustomization := func(rest string) string { return "-- kustomization.yaml --\nresources: [a.yaml, b.yaml]\n" + rest }
	twice := func(rest string) string {
		return "-- kustomization.yaml --\nresources: [x, z]\n-- x/kustomization.yaml --\nresources: [../base]\n" + rest + "-- z/kustomization.yaml --\nresources: [../base]\nnameSuffix: -z\n" +
			"-- base/kustomization.yaml --\nresources: [a.yaml]\n"
	}
	for name, c := range map[string]struct {
		archive string
		// changed and same are the places of the replicas, by the names and namespaces of the objects.
		want map[string]string
	}{
		"by a name that another begins with": {
			kustomization("patches: [{path: p.yaml}]\n") + merge("name: web") + deployment("a.yaml", "web", "") + deployment("b.yaml", "web-api", ""),
			map[string]string{"web": "p.yaml:5", "web-api": "b.yaml:6"},
		},
		"by the namespace of a patch": {
			kustomization("patches: [{path: p.yaml}]\n") + merge("name: web, namespace: a") + deployment("a.yaml", "web", "  namespace: a\n") + deployment("b.yaml", "web", "  namespace: b\n"),
			map[string]string{"a/web": "p.yaml:5", "b/web": "b.yaml:7"},
		},
		"by the namespace of a target": {
			kustomization("patches: [{path: p.yaml, target: {namespace: a}}]\n") + operation + deployment("a.yaml", "web", "  namespace: a\n") + deployment("b.yaml", "web", "  namespace: b\n"),
			map[string]string{"a/web": "p.yaml:1", "b/web": "b.yaml:7"},
		},
		"by the name of a target, an expression": {
			kustomization("patches: [{path: p.yaml, target: {kind: Deployment, name: 'we.'}}]\n") + operation + deployment("a.yaml", "web", "") + deployment("b.yaml", "web-api", ""),
			map[string]string{"web": "p.yaml:1", "web-api": "b.yaml:6"},
		},
		"by an annotation": {
			kustomization("patches: [{path: p.yaml, target: {annotationSelector: x=y}}]\n") + operation + deployment("a.yaml", "web", "  annotations: {x: \"y\"}\n") + deployment("b.yaml", "api", ""),
			map[string]string{"web": "p.yaml:1", "api": "b.yaml:6"},
		},
		"by a label, of a set": {
			kustomization("patches: [{path: p.yaml, target: {labelSelector: 'tier in (back,front),!canary'}}]\n") + operation +
				deployment("a.yaml", "web", "  labels: {tier: front}\n") + deployment("b.yaml", "api", "  labels: {tier: front, canary: \"1\"}\n"),
			map[string]string{"web": "p.yaml:1", "api": "b.yaml:7"},
		},
		"by the overlay of a base that is there twice": {
			twice("namePrefix: x-\nreplicas: [{name: web, count: 4}]\n") + deployment("base/a.yaml", "web", ""),
			map[string]string{"x-web": "x/kustomization.yaml:3", "web-z": "base/a.yaml:6"},
		},
		"by the namespace of an overlay of a base that is there twice": {
			twice("namespace: x\nreplicas: [{name: web, count: 4}]\nnameSuffix: -z\n") + deployment("base/a.yaml", "web", ""),
			map[string]string{"x/web-z": "x/kustomization.yaml:3", "web-z": "base/a.yaml:6"},
		},
		"by the name that a layer below has made": {
			"-- kustomization.yaml --\nresources: [m]\nnamePrefix: t-\npatches: [{path: p.yaml}]\n" + merge("name: m-web") +
				"-- m/kustomization.yaml --\nresources: [a.yaml, b.yaml]\nnamePrefix: m-\n" + deployment("m/a.yaml", "web", "") + deployment("m/b.yaml", "m", ""),
			map[string]string{"t-m-web": "p.yaml:5", "t-m-m": "m/b.yaml:6"},
		},
		"by a transformer of its own": {
			kustomization("transformers: [t.yaml]\n") + deployment("a.yaml", "web", "") + deployment("b.yaml", "api", "") +
				"-- t.yaml --\napiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\ntarget: {name: web}\npatch: |-\n  - {op: replace, path: /spec/replicas, value: 3}\n",
			map[string]string{"web": "kustomization.yaml:2", "api": "b.yaml:6"},
		},
		"under a name that is patched": {
			kustomization("patches:\n- target: {name: web}\n  patch: |-\n    - {op: replace, path: /metadata/name, value: other}\n    - {op: replace, path: /spec/replicas, value: 3}\n") +
				deployment("a.yaml", "web", "") + deployment("b.yaml", "api", ""),
			map[string]string{"other": "kustomization.yaml:6", "api": "b.yaml:6"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]string{}
			r := build(t, unpack(t, c.archive), ".")
			for _, o := range r.Objects {
				name := strings.TrimPrefix(o.Namespace()+"/"+o.Name(), "/")
				at := o.Origin.Field(policy.Path{policy.Key("spec"), policy.Key("replicas")})[0]
				got[name] = fmt.Sprintf("%s:%d", at.File, at.Line)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s\nproblems %+v", diff, r.Problems)
			}
		})
	}
}

// TestFieldsOfFurtherMechanisms places a field each.
func TestFieldsOfFurtherMechanisms(t *testing.T) {
	one := func(rest string) string {
		return "-- kustomization.yaml --\nresources: [a.yaml]\n" + rest + deployment("a.yaml", "web", "")
	}
	generator := "-- top/kustomization.yaml --\nresources: [../base]\nconfigMapGenerator:\n- name: s\n  behavior: merge\n  literals: [A=2]\n" +
		"-- base/kustomization.yaml --\nconfigMapGenerator:\n- name: s\n  literals:\n  - A=1\n  - B=1\n- name: s-b\n  literals: [A=3]\n  options: {labels: {x: own}}\n" +
		"generatorOptions: {disableNameSuffixHash: true, labels: {x: all, \"w\": all}}\n"
	for name, c := range map[string]struct{ archive, top, object, path, file, line string }{
		"a key that an upper generator replaces": {generator, "top", "s", "data.A", "top/kustomization.yaml", "literals: [A=2]"},
		"a key that an upper generator leaves":   {generator, "top", "s", "data.B", "base/kustomization.yaml", "- B=1"},
		"a generator whose name begins alike":    {generator, "top", "s-b", "data.A", "base/kustomization.yaml", "literals: [A=3]"},
		"a label of a generator":                 {generator, "top", "s-b", "metadata.labels.x", "base/kustomization.yaml", "options: {labels: {x: own}}"},
		"a label of all generators":              {generator, "base", "s", "metadata.labels.w", "base/kustomization.yaml", `generatorOptions: {disableNameSuffixHash: true, labels: {x: all, "w": all}}`},
		"a replacement in a file": {
			one("replacements: [{path: r.yaml}]\n") + "-- r.yaml --\nsource: {kind: Deployment, name: web, fieldPath: metadata.name}\ntargets:\n- select: {kind: Deployment}\n  fieldPaths:\n  - spec.template.spec.containers.0.image\n",
			".", "web", "spec.template.spec.containers[0].image", "r.yaml", "- spec.template.spec.containers.0.image",
		},
		"a replacement in a file of several": {
			one("replacements: [{path: r.yaml}]\n") + "-- r.yaml --\n- source: {kind: Deployment, name: web, fieldPath: metadata.name}\n  targets:\n  - select: {kind: Deployment}\n    fieldPaths:\n    - spec.template.spec.containers.*.image\n",
			".", "web", "spec.template.spec.containers[0].image", "r.yaml", "- spec.template.spec.containers.*.image",
		},
		"an element that an operation has moved": {
			one("patches:\n- target: {kind: Deployment}\n  patch: |\n    - op: replace\n      path: /spec/template/spec/containers/0/image\n      value: nginx:2\n    - op: add\n      path: /spec/template/spec/containers/0\n      value: {name: side, image: s:1}\n"),
			".", "web", "spec.template.spec.containers[1].image", "kustomization.yaml", "value: nginx:2",
		},
		"an element that an operation has added before it": {
			one("patches:\n- target: {kind: Deployment}\n  patch: |\n    - op: replace\n      path: /spec/template/spec/containers/0/image\n      value: nginx:2\n    - op: add\n      path: /spec/template/spec/containers/0\n      value: {name: side, image: s:1}\n"),
			".", "web", "spec.template.spec.containers[0].image", "kustomization.yaml", "value: {name: side, image: s:1}",
		},
		"an element that a patch merged later has moved": {
			one("components: [c]\npatches: [{path: p.yaml}]\n") + "-- c/kustomization.yaml --\napiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n- target: {kind: Deployment}\n  patch: |\n    - op: add\n      path: /spec/template/spec/containers/0/image\n      value: nginx:2\n" +
				"-- p.yaml --\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: side\n        image: s:1\n",
			".", "web", "spec.template.spec.containers[1].image", "c/kustomization.yaml", "value: nginx:2",
		},
		"an element whose name is a boolean in YAML 1.1": {
			one("patches: [{path: p.yaml}]\n") + "-- p.yaml --\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        env:\n        - name: N\n          value: x\n",
			".", "web", "spec.template.spec.containers[0].env[0].value", "p.yaml", "value: x",
		},
		"an object of a generator in a file": {
			one("generators: [g.yaml]\n") + "-- g.yaml --\n# Settings.\n---\napiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: s}\nliterals: [A=1]\noptions: {disableNameSuffixHash: true}\n",
			".", "s", "data.A", "g.yaml", "apiVersion: builtin",
		},
		"a field that an operation has copied": {
			one("patches:\n- target: {kind: Deployment}\n  patch: |\n    - op: copy\n      from: /metadata/name\n      path: /spec/template/spec/containers/0/image\n"),
			".", "web", "spec.template.spec.containers[0].image", "kustomization.yaml", "path: /spec/template/spec/containers/0/image",
		},
		"a port that a patch has named": {
			one("patches:\n- path: p.yaml\n") + "-- p.yaml --\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        ports:\n        - containerPort: 80\n          name: http\n",
			".", "web", "spec.template.spec.containers[0].ports[0].name", "p.yaml", "name: http",
		},
		"the port itself": {
			one("patches:\n- path: p.yaml\n") + "-- p.yaml --\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        ports:\n        - containerPort: 80\n          name: http\n        args: [x]\n",
			".", "web", "spec.template.spec.containers[0].args[0]", "p.yaml", "args: [x]",
		},
		"the namespace of a subject": {
			"-- kustomization.yaml --\nresources: [a.yaml]\nnamespace: prod\n-- a.yaml --\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b}\nsubjects:\n- {kind: ServiceAccount, name: default}\n",
			".", "b", "subjects[0].namespace", "kustomization.yaml", "namespace: prod",
		},
		"a label of a field that the entry names": {
			one("labels:\n- pairs: {a: b}\n  fields:\n  - {path: spec/template/metadata/labels, create: true, kind: Deployment}\n"),
			".", "web", "spec.template.metadata.labels.a", "kustomization.yaml", "- pairs: {a: b}",
		},
		"the name of what is never renamed": {
			"-- kustomization.yaml --\nresources: [a.yaml]\nnamePrefix: x-\n-- a.yaml --\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n",
			".", "shop", "metadata.name", "a.yaml", "name: shop",
		},
		"an inline patch in one line": {
			one("patches:\n- patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 4}}'\n"),
			".", "web", "spec.replicas", "kustomization.yaml", "- patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 4}}'",
		},
		"an inline patch behind an empty line and a comment": {
			one("patches:\n  - target: {kind: Deployment}\n    patch: |-\n\n      # why\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: any}\n      spec:\n        replicas: 4\n"),
			".", "web", "spec.replicas", "kustomization.yaml", "replicas: 4",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := unpack(t, c.archive)
			r := build(t, dir, c.top)
			for _, o := range r.Objects {
				if o.Name() != c.object {
					continue
				}
				at := o.Origin.Field(parse(t, o, c.path))[0]
				if line := lineOf(t, dir, at.File, at.Line); at.File != c.file || line != c.line {
					t.Errorf("at %s:%d %q, want %s %q", at.File, at.Line, line, c.file, c.line)
				}
				return
			}
			t.Fatalf("no %s: %+v", c.object, r)
		})
	}
}

func TestErrorsOfKustomizeAreShortAndInPlace(t *testing.T) {
	for name, c := range map[string]struct{ archive, file, line, message string }{
		"a file outside of the folder": {"-- top/kustomization.yaml --\nresources:\n- ../a.yaml\n" + plainConfigMap,
			"top/kustomization.yaml", "- ../a.yaml", "the kustomization does not build: security; file 'a.yaml' is not in or below 'top'"},
		"an operation on what is not there": {"-- top/kustomization.yaml --\nresources: [../b]\n-- b/kustomization.yaml --\nresources: [a.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: |-\n    - op: replace\n      path: /data/nope\n      value: x\n" +
			strings.Replace(plainConfigMap, "-- ", "-- b/", 1),
			"b/kustomization.yaml", "path: /data/nope", "the kustomization does not build: replace operation does not apply: doc is missing path: /data/nope"},
		"a plugin": {"-- top/kustomization.yaml --\ngenerators: [g.yaml]\n-- top/g.yaml --\napiVersion: x/v1\nkind: G\nmetadata: {name: g}\n", "top/kustomization.yaml", "generators: [g.yaml]", "external plugins disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := unpack(t, c.archive)
			r := build(t, dir, "top")
			if len(r.Problems) != 1 {
				t.Fatalf("%+v", r)
			}
			p := r.Problems[0]
			if p.Location.File != c.file || lineOf(t, dir, p.Location.File, p.Location.Line) != c.line || !strings.Contains(p.Message, c.message) {
				t.Errorf("%+v", p)
			}
		})
	}
}
