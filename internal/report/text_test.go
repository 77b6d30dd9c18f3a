package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// framed is the frame of a place in a source file.
func framed(t *testing.T, source string, at policy.Location, width int) string {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "f.yaml"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	at.File = "f.yaml"
	r := &Report{Root: root, Findings: []Finding{{
		Result:     &policy.Result{Policy: examplePolicy("p", "P", v2.SeverityHigh, true), Object: object("v1", "Pod", "", "web", "f.yaml"), Status: policy.Violation, Enforced: true},
		Occurrence: policy.Occurrence{Message: "m"}, Location: at, Fails: true,
	}}}
	out := string(write(t, "text", Options{Frames: true, Width: width}, r))
	_, frame, _ := strings.Cut(out, "violation[high]: m\n")
	frame, _, _ = strings.Cut(frame, "= policy")
	var lines []string
	for line := range strings.Lines(frame) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n ")
}

func TestFrames(t *testing.T) {
	at := func(line, column, endLine, endColumn int) policy.Location {
		return policy.Location{Line: line, Column: column, EndLine: endLine, EndColumn: endColumn}
	}
	long := strings.Repeat("x", 200)
	for name, c := range map[string]struct {
		source string
		at     policy.Location
		want   string
	}{
		"lines that end in CR LF, behind a byte order mark": {
			"\uFEFFa: 1\r\nb: 2\r\nc: 3\r\n", at(2, 1, 2, 5),
			" --> f.yaml:2:1\n  |\n1 | a: 1\n2 | b: 2\n  | ^^^^\n3 | c: 3\n  |",
		},
		"tabs": {
			"\ta: 1\n", at(1, 2, 1, 6),
			" --> f.yaml:1:2\n  |\n1 |     a: 1\n  |     ^^^^\n  |",
		},
		"wide and combining characters": {
			"名: e\u0301 x\n", at(1, 7, 1, 8),
			" --> f.yaml:1:7\n  |\n1 | 名: e\u0301 x\n  |       ^\n  |",
		},
		"a field of several lines is underlined on its first": {
			"a:\n  b: 1\n  c: 2\n", at(1, 1, 3, 7),
			" --> f.yaml:1:1\n  |\n1 | a:\n  | ^^\n2 |   b: 1\n3 |   c: 2\n  |",
		},
		"escape sequences and direction changes are made visible": {
			"a: \x1b[31m\u202Ered\n", at(1, 1, 1, 2),
			" --> f.yaml:1:1\n  |\n1 | a: \uFFFD[31m\uFFFDred\n  | ^\n  |",
		},
		"a field in the middle of a long line": {
			"{" + long + `"image":"nginx"` + long + "}", at(1, 202, 1, 217),
			" --> f.yaml:1:202\n  |\n1 | …" + strings.Repeat("x", 18) + `"image":"nginx"` + strings.Repeat("x", 21) + "…\n  | " +
				strings.Repeat(" ", 19) + strings.Repeat("^", 15) + "\n  |",
		},
		"a field that is longer than the terminal is wide": {
			"a: " + long, at(1, 4, 1, 204),
			" --> f.yaml:1:4\n  |\n1 | a: " + strings.Repeat("x", 52) + "…\n  |    " + strings.Repeat("^", 53) + "\n  |",
		},
		"a line that is not in the file": {
			"a: 1\n", at(9, 1, 9, 2), "  --> f.yaml:9:1",
		},
		"a column that is not in the line": {
			"a: 1\n", at(1, 99, 1, 100), " --> f.yaml:1:99\n  |\n1 | a: 1\n  |",
		},
		"only the line is known": {
			"a: 1\n", at(1, 0, 0, 0), " --> f.yaml:1\n  |\n1 | a: 1\n  |",
		},
		"the next document is not shown": {
			"a: 1\n---\nb: 2\n---\nc: 3\n", at(3, 1, 3, 5),
			" --> f.yaml:3:1\n  |\n3 | b: 2\n  | ^^^^\n  |",
		},
		"no text": {"\xff\xfe\x00", at(1, 1, 1, 2), " --> f.yaml:1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := framed(t, c.source, c.at, 60); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestColouredTextEndsEveryColour(t *testing.T) {
	r := example()
	for i := range r.Policies {
		r.Policies[i].Spec.Name = strings.Repeat("long ", 40)
	}
	for line := range strings.Lines(string(write(t, "text", Options{Color: true, Frames: true, Width: 40}, r))) {
		starts, ends := 0, 0
		for _, code := range strings.Split(line, "\x1b[")[1:] {
			sequence, _, ok := strings.Cut(code, "m")
			if !ok {
				t.Fatalf("a sequence is cut: %q", line)
			}
			if strings.HasPrefix(sequence, "0") || strings.HasPrefix(sequence, "22") || sequence == "0;22" {
				ends++
			} else {
				starts++
			}
		}
		if starts != ends {
			t.Errorf("%d colours start, %d end: %q", starts, ends, line)
		}
	}
}

func TestVerdict(t *testing.T) {
	p := examplePolicy("p", "P", v2.SeverityLow, true)
	enforced := &policy.Result{Policy: p, Object: object("v1", "Pod", "", "web", ""), Status: policy.Violation, Enforced: true}
	warned := &policy.Result{Policy: p, Object: enforced.Object, Status: policy.Violation}
	for want, r := range map[string]*Report{
		"✓ no violations": {Objects: 1},
		"! nothing was checked: no Kubernetes objects were found": {},
		"✗ 1 violation": {Objects: 1, Findings: []Finding{{Result: enforced, Fails: true}}},
		"✓ 1 violation; none is high or worse, which would fail the run": {Objects: 1, FailOn: v2.SeverityHigh, Findings: []Finding{{Result: enforced}}},
		"✓ 1 warning; nothing that fails the run":                        {Objects: 1, FailOn: v2.SeverityLow, Findings: []Finding{{Result: warned}}},
		"✗ no violations; 1 thing could not be checked":                  {Problems: []policy.Problem{{}}},
		"✗ 1 violation, 1 warning; 2 things could not be checked":        {Findings: []Finding{{Result: enforced, Fails: true}, {Result: warned}}, Problems: []policy.Problem{{}, {}}},
		"✓ 1 violation; nothing that fails the run":                      {Objects: 1, Findings: []Finding{{Result: enforced}}},
	} {
		if got := string(write(t, "text", Options{}, r)); !strings.Contains(got, "\n"+want+"\n") && !strings.HasPrefix(got, want+"\n") {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

func TestMercySaysWhyAFindingDoesNotFail(t *testing.T) {
	p := examplePolicy("p", "P", v2.SeverityLow, true)
	enforced, warned := &policy.Result{Policy: p, Status: policy.Violation, Enforced: true}, &policy.Result{Policy: p, Status: policy.Violation}
	for want, c := range map[string]struct {
		failOn v2.Severity
		f      Finding
	}{
		"":                       {v2.SeverityLow, Finding{Result: enforced, Fails: true}},
		"not enforced":           {v2.SeverityLow, Finding{Result: warned}},
		"nothing fails this run": {"", Finding{Result: enforced}},
		"less severe than high, from where findings fail the run": {v2.SeverityHigh, Finding{Result: enforced}},
	} {
		if got := mercy(&Report{FailOn: c.failOn}, &c.f); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestHugeLinesAndFilesTakeBoundedTime has a thousand findings in one line of four megabytes, and ten thousand in one long
// document with a Secret.
func TestHugeLinesAndFilesTakeBoundedTime(t *testing.T) {
	root := t.TempDir()
	line := strings.Repeat(`"key":"value",`, 300_000)
	var list strings.Builder
	list.WriteString("kind: List\nitems:\n- kind: Secret\n  data: {}\n")
	for i := range 100_000 {
		fmt.Fprintf(&list, "- kind: Pod # %d\n", i)
	}
	for name, content := range map[string]string{"line.json": line, "list.yaml": list.String()} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &Report{Root: root}
	result := &policy.Result{Policy: examplePolicy("p", "P", v2.SeverityHigh, true), Object: object("v1", "Pod", "", "web", ""), Status: policy.Violation}
	for i := range 1000 {
		r.Findings = append(r.Findings, Finding{Result: result, Location: policy.Location{File: "line.json", Line: 1, Column: 1 + 14*i, EndLine: 1, EndColumn: 4_000_000}})
	}
	for i := range 10_000 {
		r.Findings = append(r.Findings, Finding{Result: result, Location: policy.Location{File: "list.yaml", Line: 5 + 10*i, Column: 3}})
	}
	write(t, "text", Options{Frames: true}, r)
}
