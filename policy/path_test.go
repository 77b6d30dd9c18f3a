package policy

import (
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	for _, test := range []struct {
		in   string
		want Path
	}{
		{"spec", Path{Key("spec")}},
		{"spec.replicas", Path{Key("spec"), Key("replicas")}},
		{"containers[0].image", Path{Key("containers"), Index(0), Key("image")}},
		{"containers.[0].image", Path{Key("containers"), Index(0), Key("image")}},
		{"containers.0.image", Path{Key("containers"), Key("0"), Key("image")}},
		{"a[0][12]", Path{Key("a"), Index(0), Index(12)}},
		{"[0]", Path{Index(0)}},
		{"$", nil},
		{"$.spec", Path{Key("spec")}},
		{".spec", Path{Key("spec")}},
		{"$[0]", Path{Index(0)}},
		{"$spec", Path{Key("$spec")}},
		{`labels["app.kubernetes.io/name"]`, Path{Key("labels"), Key("app.kubernetes.io/name")}},
		{`labels['a"b'].c`, Path{Key("labels"), Key(`a"b`), Key("c")}},
		{`labels["a\"b\\c"]`, Path{Key("labels"), Key(`a"b\c`)}},
		{`labels.a\.b`, Path{Key("labels"), Key("a.b")}},
		{`labels.a\[0\]`, Path{Key("labels"), Key("a[0]")}},
		{`labels[""]`, Path{Key("labels"), Key("")}},
		{`["$"].a`, Path{Key("$"), Key("a")}},
		{"a b.ключ", Path{Key("a b"), Key("ключ")}},
		{`a\`, Path{Key(`a\`)}},
		{"a]b", Path{Key("a]b")}},
	} {
		got, err := ParsePath(test.in)
		if test.want == nil {
			if err == nil {
				t.Errorf("ParsePath(%q) = %v, want an error", test.in, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("ParsePath(%q): %v", test.in, err)
			continue
		}
		if !equal(got, test.want) {
			t.Errorf("ParsePath(%q) = %#v, want %#v", test.in, got, test.want)
		}
	}
}

func TestPathsThatAreNone(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "empty path",
		"$":                                  "empty path",
		"a.":                                 "empty key",
		".":                                  "empty key",
		"a..b":                               "empty key",
		"a[":                                 "bracket is not closed",
		"a[1":                                "bracket is not closed",
		"a[]":                                "neither a list index nor a quoted key",
		"a[-1]":                              "neither a list index nor a quoted key",
		"a[+1]":                              "neither a list index nor a quoted key",
		"a[*]":                               "neither a list index nor a quoted key",
		"a[b]":                               "neither a list index nor a quoted key",
		"a[9999999999999999999]":             "neither a list index nor a quoted key",
		`a["b`:                               "quote is not closed",
		`a["b"`:                              "expected ] after the closing quote",
		`a["b"c]`:                            "expected ] after the closing quote",
		"a[0]b":                              "expected a dot or a bracket",
		`a["b"]c`:                            "expected a dot or a bracket",
		strings.Repeat("a", maxPathLength+1): "longer than",
	} {
		_, err := ParsePath(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePath(%.40q): error %v, want one that says %q", in, err, want)
		}
	}
}

func TestPathsAreWrittenSoThatTheyCanBeRead(t *testing.T) {
	for _, test := range []struct {
		path Path
		want string
	}{
		{nil, ""},
		{Path{Key("a"), Key("b"), Index(3), Key("c")}, "a.b[3].c"},
		{Path{Index(0), Index(1)}, "[0][1]"},
		{Path{Key("labels"), Key("a.b/c")}, `labels["a.b/c"]`},
		{Path{Key("labels"), Key("")}, `labels[""]`},
		{Path{Key(`a"b`), Key(`c\d`), Key("e[f]"), Key("g'h")}, `["a\"b"]["c\\d"]["e[f]"]["g'h"]`},
		{Path{Key("$")}, `["$"]`},
		{Path{Key("$"), Key("a")}, `["$"].a`},
		{Path{Key("a"), Key("$")}, "a.$"},
	} {
		got := test.path.String()
		if got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
		if len(test.path) == 0 {
			continue
		}
		if back, err := ParsePath(got); err != nil || !equal(back, test.path) {
			t.Errorf("%s is read back as %#v, error %v", got, back, err)
		}
	}
}

func TestResolve(t *testing.T) {
	container := map[string]any{"name": "main", "image": "x"}
	pod := map[string]any{"containers": []any{container}}
	deployment := map[string]any{
		"kind": "Deployment",
		"metadata": map[string]any{
			"labels":      map[string]any{"app.kubernetes.io/name": "x", "app": "y", "a.b": map[string]any{"c.d": int64(1)}},
			"annotations": map[string]any{"0": "zero"},
		},
		"spec": map[string]any{"template": map[string]any{"spec": pod}},
	}
	for _, test := range []struct {
		name    string
		object  map[string]any
		path    string
		want    string
		present int
	}{
		{"present", deployment, "spec.template.spec.containers[0].image", "spec.template.spec.containers[0].image", 6},
		{"absent", deployment, "spec.template.spec.containers[0].ports[0]", "spec.template.spec.containers[0].ports[0]", 5},
		{"an index that is written as a key", deployment, "spec.template.spec.containers.0.image", "spec.template.spec.containers[0].image", 6},
		{"an index behind the end", deployment, "spec.template.spec.containers[1].image", "spec.template.spec.containers[1].image", 4},
		{"an index into a map", deployment, "spec[0]", "spec[0]", 1},
		{"a key of a list", deployment, "spec.template.spec.containers.main", "spec.template.spec.containers.main", 4},
		{"a negative index", deployment, "spec.template.spec.containers.-1", "spec.template.spec.containers.-1", 4},
		{"below a scalar", deployment, "kind.x", "kind.x", 1},
		{"a key that is a number", deployment, "metadata.annotations.0", "metadata.annotations.0", 3},
		{"dots that nobody quoted", deployment, "metadata.labels.app.kubernetes.io/name", `metadata.labels["app.kubernetes.io/name"]`, 3},
		{"dots that nobody quoted, and nothing below", deployment, "metadata.labels.app.kubernetes.io/other", "metadata.labels.app.kubernetes.io/other", 3},
		{"dots in two keys", deployment, "metadata.labels.a.b.c.d", `metadata.labels["a.b"]["c.d"]`, 4},
		{"dots that are quoted", deployment, `metadata.labels["app.kubernetes.io/name"]`, `metadata.labels["app.kubernetes.io/name"]`, 3},
		{"dots of a key that is absent", deployment, "metadata.labels.team.example/x", `metadata.labels.team.example/x`, 2},
		{"nothing is there", map[string]any{}, "a.b", "a.b", 0},
		{"the pod of a Pod", map[string]any{"kind": "Pod", "spec": pod}, "spec.template.spec.containers[0].image", "spec.containers[0].image", 4},
		{"absent in the pod of a Pod", map[string]any{"kind": "Pod", "spec": pod}, "spec.template.spec.hostPID", "spec.hostPID", 1},
		{"a Pod without a spec", map[string]any{"kind": "Pod"}, "spec.template.spec.hostPID", "spec.hostPID", 0},
		{"the pod of a CronJob", map[string]any{"kind": "CronJob", "spec": map[string]any{"jobTemplate": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": pod}}}}},
			"spec.template.spec.containers[0].image", "spec.jobTemplate.spec.template.spec.containers[0].image", 8},
		{"a CronJob without a template", map[string]any{"kind": "CronJob", "spec": map[string]any{}}, "spec.template.spec.hostPID", "spec.jobTemplate.spec.template.spec.hostPID", 1},
		{"the whole pod", map[string]any{"kind": "Pod", "spec": pod}, "spec.template.spec", "spec", 1},
		{"a template where others have none", map[string]any{"kind": "Pod", "spec": map[string]any{"template": map[string]any{"spec": map[string]any{"x": "y"}}}}, "spec.template.spec.x", "spec.template.spec.x", 4},
		{"a kind without a pod", map[string]any{"kind": "Gadget", "spec": map[string]any{}}, "spec.template.spec.x", "spec.template.spec.x", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			path, err := ParsePath(test.path)
			if err != nil {
				t.Fatal(err)
			}
			before := path.String()
			resolved, present := path.Resolve(test.object)
			if resolved.String() != test.want || present != test.present {
				t.Errorf("got %s with %d steps present, want %s with %d", resolved, present, test.want, test.present)
			}
			if path.String() != before {
				t.Errorf("the path was changed to %s", path)
			}
		})
	}
}

// FuzzParsePath proves that what is parsed is written so that it is parsed alike, and that resolving never panics and
// counts right.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{
		"spec.template.spec.containers[0].image", `metadata.labels["a.b"]`, `a\.b[1]['c']`, "$.a", ".a", "[0].b", "$", `a["\""]`, "spec.a.b.0", "a..b", "a[", `\`, "a]",
	} {
		f.Add(seed)
	}
	object := map[string]any{
		"kind": "CronJob", "a": map[string]any{"b": []any{"x", map[string]any{"c.d": nil}}, "a.b": "z"}, "$": "y", "": map[string]any{"": "e"},
		"spec": map[string]any{"jobTemplate": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"a": "b"}}}}},
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, err := ParsePath(s)
		if err != nil {
			return
		}
		back, err := ParsePath(path.String())
		if len(path.String()) <= maxPathLength && (err != nil || !equal(back, path)) {
			t.Fatalf("%q is written as %q and read back as %#v, error %v", s, path.String(), back, err)
		}
		resolved, present := path.Resolve(object)
		if present > len(resolved) {
			t.Fatalf("%q: %d steps of %d are present", s, present, len(resolved))
		}
		var value any = object
		for i, step := range resolved[:present] {
			var ok bool
			switch v := value.(type) {
			case map[string]any:
				value, ok = v[step.Key]
				ok = ok && !step.IsIndex
			case []any:
				if ok = step.IsIndex && step.Index < len(v); ok {
					value = v[step.Index]
				}
			}
			if !ok {
				t.Fatalf("%q: step %d of %s is said to be present", s, i, resolved)
			}
		}
		if again, count := resolved.Resolve(object); present == len(resolved) && (!equal(again, resolved) || count != present) {
			t.Fatalf("%s resolves to %s", resolved, again)
		}
	})
}

func equal(a, b Path) bool {
	if len(a) != len(b) {
		return false
	}
	return a.hasPrefix(b)
}

func TestResolvingAPathOfManyStepsEndsSoon(t *testing.T) {
	path, err := ParsePath(strings.TrimSuffix(strings.Repeat("a.", maxPathLength/2), "."))
	if err != nil {
		t.Fatal(err)
	}
	object := map[string]any{}
	for i := 1; i < len(path); i++ {
		object = map[string]any{"a": object, "a.a": map[string]any{"a": "b"}}
	}
	if _, present := path.Resolve(object); present != len(path)-1 {
		t.Errorf("%d steps are present, want %d", present, len(path)-1)
	}
}
