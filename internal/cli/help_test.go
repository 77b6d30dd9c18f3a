package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// run calls a command in this process and returns what it printed.
func run(t *testing.T, environment map[string]string, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	var out, errs bytes.Buffer
	exit = Main(t.Context(), Env{
		Args:    append([]string{"assay"}, args...),
		Stdin:   strings.NewReader(""),
		Stdout:  &out,
		Stderr:  &errs,
		Getenv:  func(key string) string { return environment[key] },
		Dir:     t.TempDir(),
		Version: "v0.0.0-test",
	})
	return out.String(), errs.String(), exit
}

func TestHelpIsWhatTheGoldenFilesShow(t *testing.T) {
	for _, command := range [][]string{{}, {"audit"}, {"check"}, {"explain"}, {"policies"}, {"status"}, {"test"}, {"version"}, {"weave-validator"}} {
		name := strings.Join(append([]string{"assay"}, command...), "-") + ".txt"
		t.Run(name, func(t *testing.T) {
			got, stderr, exit := run(t, nil, append([]string{"help"}, command...)...)
			if exit != 0 || stderr != "" {
				t.Fatalf("exit code %d, standard error %q", exit, stderr)
			}
			golden := filepath.Join("testdata", "help", name)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("run the test with -update if this is meant (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryCommandHasAPageOfItsOwn(t *testing.T) {
	env := Env{Getenv: func(string) string { return "" }}
	var visit func(*cobra.Command)
	visit = func(command *cobra.Command) {
		if command.Short == "" || command.Long == "" {
			t.Errorf("%s lacks a short or a long explanation", command.CommandPath())
		}
		if command.Runnable() && !strings.Contains(command.Example, "assay") {
			t.Errorf("%s lacks an example", command.CommandPath())
		}
		if strings.HasSuffix(command.Short, ".") || len(command.Short) > 80 {
			t.Errorf("%s: the short explanation %q is one line without a full stop", command.CommandPath(), command.Short)
		}
		for _, sub := range command.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(&env))
}

func TestLinesOfHelpFitOnATerminal(t *testing.T) {
	const widest = 120
	files, err := filepath.Glob("testdata/help/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files (%v)", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(content), "\n") {
			if len([]rune(line)) > widest {
				t.Errorf("%s:%d is %d characters wide", file, i+1, len([]rune(line)))
			}
		}
	}
}
