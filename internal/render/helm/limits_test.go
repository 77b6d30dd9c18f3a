package helm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestHostileTemplatesAreStopped renders what is made to never end or to fill the memory.
func TestHostileTemplatesAreStopped(t *testing.T) {
	double := func(line string, times int) string {
		return "{{ $x := \"0123456789\" }}" + strings.Repeat("{{ $x = "+line+" }}", times)
	}
	for _, test := range []struct{ name, template, want string }{
		{"a template in itself", `{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`, "more than 1000 levels deep"},
		{"an include in itself", `{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`, "more than 1000 levels deep"},
		{"a tpl in itself", `{{ define "a" }}{{ tpl "{{ include \"a\" . }}" . }}{{ end }}{{ include "a" . }}`, "more than 1000 levels deep"},
		{"a file that includes itself", `{{ include (print .Template.BasePath "/x.yaml") . }}`, "more than 1000 levels deep"},
		{"ten templates in each", laughs(`{{ template "%s" . }}`), "more than"},
		{"ten includes in each", laughs(`{{ include "%s" . }}`), "more than"},
		{"ten tpl in each", laughs(`{{ tpl "{{ include \"%s\" . }}" . }}`), "more than"},
		{"loops in loops", strings.Repeat("{{ range until 1000 }}", 8) + strings.Repeat("{{ end }}", 8), "more than 100000 steps"},
		{"a loop over a number", "{{ range 4000000000 }}{{ end }}", "more than 100000 steps"},
		{"loops that write", strings.Repeat("{{ range until 1000 }}", 3) + strings.Repeat("x", 200) + strings.Repeat("{{ end }}", 3), "more than 8 MiB"},
		{"text that doubles", double("print $x $x", 50), "print returns more than 32 MiB"},
		{"text that doubles by printf", double(`printf "%s%s" $x $x`, 50), "printf returns more than 32 MiB"},
		{"text that is repeated", double("repeat 1000000 $x", 5), "repeat returns more than 32 MiB"},
		{"text that is indented", `{{ indent 2000000000 "a\nb" }}`, "indent returns more than 32 MiB"},
		{"a long list", "{{ until 2000000000 }}", "until 2000000000 is more than 1048576"},
		{"a long list the other way", "{{ until -2000000000 }}", "until 2000000000 is more than 1048576"},
		{"a list of steps", "{{ untilStep 0 2000000000 1 }}", "untilStep returns more than 1048576 items"},
		{"a sequence", "{{ seq 2000000000 }}", "seq 2000000000 is more than 1048576"},
		{"random letters", `{{ randAlpha 2000000000 }}`, "randAlpha 2000000000 is more than 1048576"},
		{"a list that doubles", "{{ $x := list 1 }}" + strings.Repeat("{{ $x = concat $x $x }}", 50), "concat returns more than 1048576 items"},
		{"a list in itself that is written", `{{ $x := dict }}{{ $_ := set $x "a" $x }}{{ $x }}`, "a value contains itself"},
		{"a list in itself as YAML", `{{ $x := dict }}{{ $_ := set $x "a" $x }}{{ toYaml $x }}`, "a value contains itself"},
		{"a list in itself as text", `{{ $x := dict }}{{ $_ := set $x "a" $x }}{{ $x | quote }}`, "a value contains itself"},
		{"a list in itself that is copied", `{{ $x := dict }}{{ $_ := set $x "a" $x }}{{ $_ := deepCopy $x }}`, "a value contains itself"},
		{"values in themselves", `{{ $_ := set .Values "a" .Values }}{{ .Values }}`, "a value contains itself"},
		{"a list that stands for many", "{{ $x := list 1 }}" + strings.Repeat("{{ $x = list $x $x }}", 60) + "{{ toJson $x }}", "stands for more than 1048576 values"},
		{"a list that stands for many that is written", "{{ $x := list 1 }}" + strings.Repeat("{{ $x = list $x $x }}", 60) + "{{ $x }}", "stands for more than 1048576 values"},
		{"parentheses", "{{ " + strings.Repeat("(", 200_000) + " }}", "max expression depth"},
		{"ifs", strings.Repeat("{{ if true }}", 150_000), "more than 100000 actions"},
		{"ifs that are parsed", strings.Repeat("{{ if true }}", 90_000) + strings.Repeat("{{ end }}", 9_000), "unexpected EOF"},
		{"elses", "{{ if true }}" + strings.Repeat("{{ else if true }}", 90_000) + "{{ end }}", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			root, chart := write(t, minimal().with(files{"values.yaml": "a: b\n", "templates/x.yaml": test.template}))
			r := buildWithin(t.Context(), chart, Options{Root: root}, limits{steps: 100_000, output: 8})
			runtime.ReadMemStats(&after)
			elapsed, allocated := time.Since(start), (after.TotalAlloc-before.TotalAlloc)>>20
			t.Logf("%v and %d MiB", elapsed.Round(time.Millisecond), allocated)
			// Far above what each takes on an idle machine, far below what it would take without limits.
			if allocated > 4000 {
				t.Errorf("took %v and %d MiB", elapsed, allocated)
			}
			switch {
			case test.want == "":
				noProblems(t, r)
			case len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, test.want):
				t.Errorf("got problems %.600v, want one that says %q", r.Problems, test.want)
			}
		})
	}
}

// laughs defines templates each of which calls the one before ten times.
func laughs(call string) string {
	var b strings.Builder
	b.WriteString(`{{ define "t0" }}0123456789{{ end }}`)
	for i := range 20 {
		fmt.Fprintf(&b, "{{ define \"t%d\" }}%s{{ end }}", i+1, strings.Repeat(fmt.Sprintf(call, fmt.Sprintf("t%d", i)), 10))
	}
	return b.String() + fmt.Sprintf(call, "t20")
}

func TestTheUsualLimitsEndSoon(t *testing.T) {
	if testing.Short() {
		t.Skip("under the race detector the limit of time may come before that of steps")
	}
	r := build(t, minimal().with(files{"templates/x.yaml": "{{ range 4000000000 }}{{ end }}"}), Options{})
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, "steps") {
		t.Errorf("got %v", r.Problems)
	}
}

func TestAContextThatEndsStopsTheTemplates(t *testing.T) {
	root, chart := write(t, minimal().with(files{"templates/x.yaml": strings.Repeat("{{ range until 1000 }}", 8) + strings.Repeat("{{ end }}", 8)}))
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(errors.New("enough")) })
	r := Build(ctx, chart, Options{Root: root})
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, "stopped: enough") {
		t.Errorf("got %v", r.Problems)
	}
}

func TestHostileFilesAreProblems(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c, ", c-1), 10), ", "))
	}
	nested := minimal().with(files{"templates/a.yaml": configMap("a")})
	for range 12 {
		nested = minimal().with(files{"charts/x-1.0.0.tgz": packaged(t, nested)})
	}
	for _, test := range []struct {
		name  string
		files files
		want  string
	}{
		{"aliases of aliases in the values", minimal().with(files{"values.yaml": bomb}), "aliases stand for more than"},
		{"aliases of aliases in Chart.yaml", files{"Chart.yaml": bomb}, "aliases stand for more than"},
		{"aliases of aliases that a template writes", minimal().with(files{"templates/a.yaml": "apiVersion: v1\nkind: X\n" + bomb}), "aliases stand for more than"},
		{"lists in lists", minimal().with(files{"values.yaml": "a: " + strings.Repeat("[", 1<<20)}), "max depth"},
		{"archives in archives", nested, "nested deeper than 8 levels"},
		{"bytes", minimal().with(files{"templates/a.yaml": "\x00\xff\xfe"}), "not text"},
		{"a template that is not text", minimal().with(files{"templates/a.yaml": "{{ \x00 }}"}), "U+0000"},
		{"dependencies that are null", files{"Chart.yaml": "apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies: [null]\n"}, "null"},
		{"a name with slashes", files{"Chart.yaml": "apiVersion: v2\nname: ../../a\nversion: 1.0.0\n"}, "invalid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := build(t, test.files, Options{})
			if len(r.Problems) == 0 || !strings.Contains(r.Problems[0].Message, test.want) {
				t.Errorf("got problems %.400v, want one that says %q", r.Problems, test.want)
			}
		})
	}
}

func FuzzBuild(f *testing.F) {
	for _, name := range []string{"templates/deployment.yaml", "templates/_helpers.tpl", "values.yaml"} {
		f.Add(minimal()["Chart.yaml"], everything["values.yaml"], everything[name])
	}
	f.Add(everything["Chart.yaml"], "a: &a [*a]\n", "{{ range $i, $x := .Values.a }}{{ tpl $x . }}{{ end }}---\n{{ include \"x\" . }}")
	f.Add("dependencies: [null]\n", "- a\n", "{{ define \"x\" }}{{ end }}{{ template \"x\" }}---a: b")
	f.Fuzz(func(t *testing.T, chart, values, template string) {
		r := build(t, files{"Chart.yaml": chart, "values.yaml": values, "templates/x.yaml": template}, Options{})
		for _, p := range r.Problems {
			if p.Message == "" || strings.Contains(p.Message, "code failed") {
				t.Errorf("problem %+v", p)
			}
		}
		for _, o := range r.Objects {
			o.Origin.Object()
			o.Origin.Field(nil)
		}
	})
}
