// Package docs holds the tests that keep the pages people read true: commands are run, links lead somewhere, and the
// targets of make that pages speak of exist.
package docs

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

type page struct{ name, text string }

// pages are the Markdown files of the project, without those of tests.
func pages(t *testing.T) []page {
	t.Helper()
	var found []page
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (strings.HasPrefix(path.Base(name), ".") || path.Base(name) == "testdata" || path.Base(name) == "node_modules"):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		found = append(found, page{name, string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 4 {
		t.Fatalf("found only %d pages: the search is broken", len(found))
	}
	return found
}

var (
	codeBlock   = regexp.MustCompile("(?ms)^```.*?^```$")
	link        = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	makeCommand = regexp.MustCompile("(?m)(?:`|^\\$ )make ([a-z][a-z-]*)")
	makeTarget  = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	helpLine    = regexp.MustCompile(`(?m)^  make ([a-z-]+) +\S`)
)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(codeBlock.ReplaceAllString(page.text, ""), -1) {
			target, _, _ := strings.Cut(match[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, path.Dir(page.name), target)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", page.name, match[1])
			}
		}
	}
}

func TestTheIndexListsEveryPage(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(root, "docs/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"docs/README.md": true}
	for _, match := range link.FindAllStringSubmatch(string(index), -1) {
		listed[path.Join("docs", match[1])] = true
	}
	for _, page := range pages(t) {
		if path.Dir(page.name) == "docs" && !listed[page.name] {
			t.Errorf("docs/README.md does not list %s", page.name)
		}
	}
}

func TestPagesSpeakOfTargetsThatExist(t *testing.T) {
	targets := targetsOfMakefile(t)
	for _, page := range pages(t) {
		for _, match := range makeCommand.FindAllStringSubmatch(page.text, -1) {
			if !targets[match[1]] {
				t.Errorf("%s speaks of make %s, which the Makefile does not have", page.name, match[1])
			}
		}
	}
}

func TestMakeHelpExplainsEveryTarget(t *testing.T) {
	out, err := exec.Command("make", "-C", root, "--no-print-directory", "help").Output()
	if err != nil {
		t.Fatalf("make help: %v", err)
	}
	explained := map[string]bool{}
	for _, match := range helpLine.FindAllStringSubmatch(string(out), -1) {
		explained[match[1]] = true
	}
	for target := range targetsOfMakefile(t) {
		if !explained[target] {
			t.Errorf("make help does not explain %s: add ## and a line to the target", target)
		}
	}
}

func targetsOfMakefile(t *testing.T) map[string]bool {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, match := range makeTarget.FindAllStringSubmatch(string(makefile), -1) {
		targets[match[1]] = true
	}
	if !targets["test"] || !targets["run"] {
		t.Fatalf("the Makefile's targets are %v: the search is broken", targets)
	}
	return targets
}
