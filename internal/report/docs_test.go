package report

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goldenBlock = regexp.MustCompile("(?ms)^<!-- from (\\S+) -->\n```\\w+\n(.*?)\n```$")

// TestThePageOnReportsShowsWhatIsWritten compares the examples of docs/reports.md with the golden files that they name,
// and the formats that it describes with those that there are.
func TestThePageOnReportsShowsWhatIsWritten(t *testing.T) {
	page, err := os.ReadFile("../../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := goldenBlock.FindAllStringSubmatch(string(page), -1)
	shown := map[string]bool{"github-summary": true} // is markdown, longer
	for _, block := range blocks {
		golden, err := os.ReadFile(filepath.Join("testdata", "golden", block[1]))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains("\n"+string(golden), "\n"+block[2]) {
			t.Errorf("%s does not have what the page shows:\n%s", block[1], block[2])
		}
		shown[block[1]] = true
	}
	for _, format := range Formats() {
		if !shown[format] {
			t.Errorf("the page has no example of %s", format)
		}
		if !strings.Contains(string(page), "\n| [`"+format+"`](#") {
			t.Errorf("the page's table has no %s", format)
		}
	}
}
