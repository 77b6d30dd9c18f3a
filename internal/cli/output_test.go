package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/internal/report"
)

// half writes the beginning of a report, and then the disk is full.
type half struct{}

var errDiskFull = errors.New("no space left on device")

func (half) Write(w io.Writer, _ *report.Report) error {
	if _, err := io.WriteString(w, "{"); err != nil {
		return err
	}
	return errDiskFull
}

// text writes itself.
type text string

func (t text) Write(w io.Writer, _ *report.Report) error {
	_, err := io.WriteString(w, string(t))
	return err
}

func TestAReportThatCannotBeWrittenLeavesTheOldOne(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.json")
	if err := writeFile(path, text("old"), nil); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, half{}, nil); !errors.Is(err, errDiskFull) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v does not name the file and the cause", err)
	}
	content, err := os.ReadFile(path)
	if err != nil || string(content) != "old" {
		t.Errorf("the report is now %q (%v)", content, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v (%v), want the report alone", entries, err)
	}
}

func TestTheSummaryFitsIntoWhatGitHubTakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.md")
	if err := os.WriteFile(path, []byte("before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := appendSummary(path, text(strings.Repeat("| a row of a table |\n", 100_000)), nil); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) > maxSummary || len(content) < maxSummary-100 {
		t.Errorf("%d bytes, want nearly %d", len(content), maxSummary)
	}
	if !strings.HasPrefix(string(content), "before\n| a row") || !strings.HasSuffix(string(content), "table |\n") {
		t.Error("the summary does not begin with what was there before, or ends within a line")
	}
	if err := appendSummary(path, text(strings.Repeat("x", 200)), nil); err != nil {
		t.Errorf("a full file: %v", err)
	}
}
