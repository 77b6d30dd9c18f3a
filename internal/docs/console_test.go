package docs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestConsoleBlocksAreTrue runs what the pages show between ```console and ```, from the top of the project: each line
// that begins with "$ " is a command, the lines after it are what it prints. A line "…" stands for any lines and "…"
// within a line for any text, for what is long or differs from run to run.
func TestConsoleBlocksAreTrue(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the whole program")
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/assay")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building assay: %v\n%s", err, out)
	}
	for _, page := range pages(t) {
		for _, session := range sessions(page.text) {
			t.Run(page.name+"/"+session.command, func(t *testing.T) {
				got := run(t, bin, session.command)
				if !matches(session.output, got) {
					t.Errorf("%s shows\n\n%s\n\nbut the command prints\n\n%s", page.name, session.output, got)
				}
			})
		}
	}
}

// run is what a command prints, to either stream. Exit code 1, violations, is what most examples end with.
func run(t *testing.T, bin, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "NO_COLOR=1", "GITHUB_ACTIONS=", "CLICOLOR_FORCE=")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
	return string(bytes.TrimRight(out, "\n"))
}

type session struct{ command, output string }

var consoleBlock = regexp.MustCompile("(?ms)^```console\n(.*?)^```$")

// sessions are the commands of a page with their outputs.
func sessions(text string) []session {
	var found []session
	for _, block := range consoleBlock.FindAllStringSubmatch(text, -1) {
		for _, part := range strings.Split("\n"+block[1], "\n$ ")[1:] {
			command, output, _ := strings.Cut(part, "\n")
			found = append(found, session{command, strings.TrimRight(output, "\n")})
		}
	}
	return found
}

// matches tells whether a page's text shows what was printed. Spaces at the ends of lines do not count.
func matches(shown, printed string) bool {
	var pattern strings.Builder
	pattern.WriteString("^")
	for line := range strings.SplitSeq(shown, "\n") {
		line = strings.TrimRight(line, " ")
		if strings.TrimSpace(line) == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		for i, part := range strings.Split(line, "…") {
			if i > 0 {
				pattern.WriteString(".*")
			}
			pattern.WriteString(regexp.QuoteMeta(part))
		}
		pattern.WriteString(" *\n")
	}
	pattern.WriteString("$")
	return regexp.MustCompile(pattern.String()).MatchString(printed + "\n")
}

func TestMatches(t *testing.T) {
	tests := map[string]struct {
		shown, printed string
		want           bool
	}{
		"the same":                        {"a\nb", "a\nb", true},
		"another line":                    {"a\nb", "a\nc", false},
		"a line too few":                  {"a", "a\nb", false},
		"any text within a line":          {"took … s", "took 0.31 s", true},
		"but not across lines":            {"took … s", "took 0.31\n s", false},
		"any lines":                       {"a\n…\nd", "a\nb\nc\nd", true},
		"no lines":                        {"a\n…\nd", "a\nd", true},
		"any lines at the end":            {"a\n…", "a\nb\nc", true},
		"what follows any lines counts":   {"a\n…\nd", "a\nb\nc", false},
		"spaces at the end do not matter": {"a", "a  ", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := matches(test.shown, test.printed); got != test.want {
				t.Errorf("matches(%q, %q) is %t", test.shown, test.printed, got)
			}
		})
	}
}

func TestSessions(t *testing.T) {
	text := "```console\n$ one --flag\na\nb\n$ two\n```\n\n```sh\n$ three\n```\n"
	want := []session{{"one --flag", "a\nb"}, {"two", ""}}
	got := sessions(text)
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %q, want %q", got, want)
	}
}
