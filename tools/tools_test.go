// Package tools pins the tools that build Assay; its tests are about the scripts beside it.
package tools

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestStepEndsWithTheStatusOfItsCommand(t *testing.T) {
	out, code := run(t, ".", "./step", "a name", "bash", "-c", "echo said; exit 3")
	if code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	for _, want := range []string{"==> a name", "said", "<== a name: FAILED (3), "} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}

func TestStepsThatSucceedSaySo(t *testing.T) {
	if out, code := run(t, ".", "./step", "fine", "true"); code != 0 || !strings.Contains(out, "<== fine: ok, ") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

func TestUnchanged(t *testing.T) {
	tests := map[string]struct {
		command string
		want    string
	}{
		"a command that changes nothing":            {"echo one > tracked", ""},
		"a tracked file gets other contents":        {"echo two > tracked", "  tracked\n"},
		"a file that was not committed yet changes": {"echo two > 'not committed'", "  not committed\n"},
		"a file appears":                            {"echo > new", "  new\n"},
		"a file goes":                               {"rm tracked", "  tracked\n"},
		"an ignored file appears":                   {"echo > ignored", ""},
		"the command fails":                         {"echo broken; false", "broken\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := repository(t, "unchanged", map[string]string{".gitignore": "ignored\n", "tracked": "one\n"})
			write(t, dir, "not committed", "one\n")
			out, code := run(t, dir, "tools/unchanged", "bash", "-c", test.command)
			if failed := code != 0; failed != (test.want != "") || !strings.HasSuffix(out, test.want) {
				t.Errorf("exit code %d, output %q, want it to end with %q", code, out, test.want)
			}
		})
	}
}

func TestFormatted(t *testing.T) {
	const good, bad = "package a\n", "package a\n\n\n"
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"everything is formatted":       {map[string]string{"a.go": good}, ""},
		"a file is not":                 {map[string]string{"a.go": good, "sub folder/b.go": bad}, "./sub folder/b.go\n"},
		"a fixture may be as it is":     {map[string]string{"a.go": good, "testdata/b.go": bad}, ""},
		"a file that does not parse is": {map[string]string{"a.go": "package"}, "expected 'IDENT'"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := repository(t, "formatted", test.files)
			out, code := run(t, dir, "tools/formatted")
			if failed := code != 0; failed != (test.want != "") || !strings.Contains(out, test.want) {
				t.Errorf("exit code %d, output %q, want %q in it", code, out, test.want)
			}
		})
	}
}

// repository makes a Git repository with the script in its folder tools and the files committed.
func repository(t *testing.T, script string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	content, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, filepath.Join("tools", script), string(content))
	for name, content := range files {
		write(t, dir, name, content)
	}
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"add", "."},
		{"-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--no-verify", "--message", "first"},
	} {
		if out, code := run(t, dir, "git", args...); code != 0 {
			t.Fatalf("git %v: %s", args, out)
		}
	}
	return dir
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run is what a command prints, to either stream, and its exit code.
func run(t *testing.T, dir, name string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", name, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}
