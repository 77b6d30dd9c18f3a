package gitserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommitsAreCloned(t *testing.T) {
	s, err := Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	first, err := s.Commit(t.Context(), "shop/deploy", "first", map[string]string{"a.yaml": "1\n", "apps/b.yaml": "2\n"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Commit(t.Context(), "shop/deploy", "second", map[string]string{"apps/b.yaml": "3\n"})
	if err != nil {
		t.Fatal(err)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	if _, err := git(t.Context(), t.TempDir(), "clone", "--quiet", s.URL("shop/deploy"), clone); err != nil {
		t.Fatal(err)
	}
	log, err := git(t.Context(), clone, "log", "--format=%H %s")
	if want := second + " second\n" + first + " first"; err != nil || log != want {
		t.Errorf("the history is %q, %v; want %q", log, err, want)
	}
	if content, err := os.ReadFile(filepath.Join(clone, "apps/b.yaml")); err != nil || string(content) != "3\n" {
		t.Errorf("apps/b.yaml is %q, %v", content, err)
	}
	if _, err := os.Stat(filepath.Join(clone, "a.yaml")); !os.IsNotExist(err) {
		t.Errorf("a.yaml is there still: %v", err)
	}
}

func TestWhatIsNotServed(t *testing.T) {
	s, err := Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for repository, file := range map[string]string{"../x": "a", "x": "../a"} {
		if _, err := s.Commit(t.Context(), repository, "no", map[string]string{file: ""}); err == nil {
			t.Errorf("%s in %s was committed", file, repository)
		}
	}
	if _, err := git(t.Context(), t.TempDir(), "ls-remote", s.URL("absent")); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("a repository that does not exist: %v", err)
	}
}
