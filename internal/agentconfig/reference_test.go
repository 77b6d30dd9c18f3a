package agentconfig

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	page      = filepath.Join("..", "..", "docs", "agent-configuration.md")
	generated = regexp.MustCompile(`(?s)(<!-- keys: written by go test \./internal/agentconfig -update -->\n).*?(<!-- end of keys -->)`)
	yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
)

func TestThePageHasEveryKey(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !generated.Match(text) {
		t.Fatalf("%s has no place for the table of keys", page)
	}
	want := generated.ReplaceAllFunc(text, func(old []byte) []byte {
		parts := generated.FindSubmatch(old)
		return bytes.Join([][]byte{parts[1], []byte(Reference()), parts[2]}, []byte("\n"))
	})
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s is out of date (rewrite with -update):\n%s", page, diff)
	}
}

func TestTheReferenceHasARowForEachKey(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(Reference()), "\n")[2:]
	for _, k := range keys(newDraft(defaults())) {
		name := k.name
		if _, sink, ok := strings.Cut(name, ".sinks."); ok && !strings.HasPrefix(sink, "policyReportSink.") {
			name = "*.sinks." + sink
		}
		found := 0
		for _, row := range rows {
			if strings.HasPrefix(row, "| `"+name+"` |") {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s has %d rows", name, found)
		}
	}
	for _, row := range rows {
		if strings.Count(row, "|") != 7 {
			t.Errorf("a row has other than six cells: %s", row)
		}
	}
}

func TestExamplesOfThePageLoad(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(text, -1)
	if len(blocks) == 0 {
		t.Fatal("the page has no example")
	}
	for _, block := range blocks {
		_, warnings, err := Load("example", block[1], nil)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s\n%v %v", block[1], err, warnings)
		}
	}
}

// What the page says that messages look like is what they look like.
func TestMessagesOfThePageAreTrue(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = Load("config.yaml", []byte("admission:\n  enabled: yes\n  webhook:\n    lisen: 9443\n"), []string{"AUDIT_INTERVAL=often"})
	if err == nil || !strings.Contains(string(text), "```text\n"+err.Error()+"\n```") {
		t.Errorf("the page does not show\n%v", err)
	}
}
