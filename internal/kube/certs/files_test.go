package certs

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// folder with a certificate, and how to change its files.
func folder(t *testing.T) (dir string, write func(name string, content []byte)) {
	dir = t.TempDir()
	return dir, func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func testPair(t *testing.T) (p *pair, bundle []byte) {
	t.Helper()
	p, authority, err := newPair([]string{serverName}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return p, encodeCertificates(authority)
}

func TestFilesAreServedAndReloaded(t *testing.T) {
	dir, write := folder(t)
	first, bundle := testPair(t)
	write("tls.crt", first.certPEM)
	write("tls.key", first.keyPEM)
	f, err := NewFiles(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if f.CABundle() != nil {
		t.Error("there is a bundle without ca.crt")
	}
	write("ca.crt", bundle)
	reload(t, f, true)
	s := newStage(t)
	s.now = time.Now()
	if err := s.call(f, f.CABundle()); err != nil {
		t.Error(err)
	}
	reload(t, f, false)

	second, bundle := testPair(t)
	write("tls.crt", second.certPEM)
	if _, err := f.Reload(); err == nil {
		t.Error("a certificate without its key is no error")
	}
	if serial(t, f) != first.leaf.SerialNumber.String() {
		t.Error("the old certificate is not served on")
	}
	write("tls.key", second.keyPEM)
	write("ca.crt", bundle)
	reload(t, f, true)
	if err := s.call(f, bundle); err != nil {
		t.Error(err)
	}
	if !f.NotAfter().Equal(second.leaf.NotAfter) {
		t.Errorf("expires %s", f.NotAfter())
	}
}

func reload(t *testing.T, f *Files, want bool) {
	t.Helper()
	if changed, err := f.Reload(); err != nil || changed != want {
		t.Fatalf("changed %t, error %v; want %t", changed, err, want)
	}
}

func TestFaultsOfFilesAreNamed(t *testing.T) {
	p, bundle := testPair(t)
	tests := map[string]struct {
		files map[string][]byte
		want  string
	}{
		"no certificate":      {map[string][]byte{"tls.key": p.keyPEM}, "tls.crt: no such file"},
		"no key":              {map[string][]byte{"tls.crt": p.certPEM}, "tls.key: no such file"},
		"an empty key":        {map[string][]byte{"tls.crt": p.certPEM, "tls.key": nil}, "there is no private key"},
		"rubbish":             {map[string][]byte{"tls.crt": []byte("x"), "tls.key": p.keyPEM}, "tls.crt and tls.key in "},
		"a bundle of rubbish": {map[string][]byte{"tls.crt": p.certPEM, "tls.key": p.keyPEM, "ca.crt": []byte("x")}, "ca.crt holds no certificate in PEM"},
		"too much":            {map[string][]byte{"tls.crt": p.certPEM, "tls.key": p.keyPEM, "ca.crt": bytes.Repeat(bundle, 2000)}, "ca.crt is larger than 1048576 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir, write := folder(t)
			for file, content := range test.files {
				write(file, content)
			}
			_, err := NewFiles(dir, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %s", err, test.want)
			}
			if strings.Contains(err.Error(), "PRIVATE") {
				t.Error("the error has a private key")
			}
		})
	}
}

func TestRunSeesThatTheKubeletSwappedTheFolder(t *testing.T) {
	first, _ := testPair(t)
	second, _ := testPair(t)
	dir := t.TempDir()
	for version, p := range map[string]*pair{"..1": first, "..2": second} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"tls.crt": p.certPEM, "tls.key": p.keyPEM} {
			if err := os.WriteFile(filepath.Join(dir, version, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..1", "..data")
	link("..data/tls.crt", "tls.crt")
	link("..data/tls.key", "tls.key")
	f, err := NewFiles(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()

	link("..2", "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); serial(t, f) != second.leaf.SerialNumber.String(); {
		if time.Now().After(deadline) {
			t.Fatal("the change was not seen")
		}
		time.Sleep(50 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
