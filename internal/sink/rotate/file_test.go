package rotate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func lines(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, f *File, text string) {
	t.Helper()
	if err := f.Write([]byte(text + "\n")); err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSizeRotatesAndTheOldestAreRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "results[1].json")
	foreign := path + ".of-someone-else"
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path, Options{MaxBytes: 10, Keep: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	now := time.Unix(0, 0)
	f.now = func() time.Time { now = now.Add(time.Second); return now }
	for _, text := range []string{"1111", "2222", "3333", "4444", "5555", "6666", "7777", "a line that is longer than a file", "8"} {
		write(t, f, text)
	}
	found := files(t, dir)
	var all []string
	for _, name := range found {
		all = append(all, lines(t, name))
	}
	if got := strings.Join(all, "|"); got != "8\n|7777\n|a line that is longer than a file\n|" {
		t.Errorf("%q in %q", got, found)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}

func TestAgeRotatesAtMidnightAlsoAfterARestart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	open := func(now time.Time) *File {
		f, err := Open(path, Options{MaxAge: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		f.now = func() time.Time { return now }
		return f
	}
	day := time.Now().UTC().Truncate(24 * time.Hour)
	f := open(day.Add(24*time.Hour - time.Second))
	write(t, f, "evening")
	if len(files(t, dir)) != 1 {
		t.Error("rotated too early")
	}
	_ = f.Close()
	f = open(day.Add(24 * time.Hour))
	write(t, f, "morning")
	defer f.Close()
	if got := lines(t, path); got != "morning\n" || len(files(t, dir)) != 2 {
		t.Errorf("%q, %v", got, files(t, dir))
	}
}

func TestALineThatIsNotCompleteIsCutOff(t *testing.T) {
	for before, want := range map[string]string{
		"":                                   "new\n",
		"one\ntw":                            "one\nnew\n",
		"one\n":                              "one\nnew\n",
		"no line":                            "new\n",
		"a\n" + strings.Repeat("x", 200_000): "a\nnew\n",
	} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		write(t, f, "new")
		_ = f.Close()
		if got := lines(t, path); got != want {
			t.Errorf("%.20q became %.20q, want %q", before, got, want)
		}
	}
}

func TestAFileThatWasMovedAwayIsMadeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	f, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write(t, f, "one")
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	write(t, f, "two")
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, f, "three")
	if moved, now := lines(t, path+".moved"), lines(t, path); moved != "one\ntwo\n" || now != "three\n" {
		t.Errorf("%q and %q", moved, now)
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing", "f")} {
		if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
