package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// pollInterval is how often files are looked at. The kubelet takes up to a minute to bring a changed Secret, so
	// watching them would gain nothing.
	pollInterval = 5 * time.Second
	// maxFile bounds what is read: a Secret cannot hold more.
	maxFile = 1 << 20
)

// Files is the certificate in a folder: tls.crt and tls.key, and ca.crt where the API server is to be told what to trust.
// It is safe for concurrent use.
type Files struct {
	dir    string
	logger *slog.Logger
	loaded atomic.Pointer[files]
}

// files is what was read.
type files struct {
	content [3][]byte
	pair    *pair
	bundle  []byte
}

// NewFiles reads the folder, as cert-manager's or a hand-made Secret that is mounted there. The error names the file at
// fault.
func NewFiles(dir string, logger *slog.Logger) (*Files, error) {
	f := &Files{dir: dir, logger: logger}
	if _, err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Run reads the files again whenever they have changed, until the context ends. A change that cannot be served is logged, and
// what was there before is served on.
func (f *Files) Run(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var told string
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		changed, err := f.Reload()
		switch {
		case err != nil && err.Error() != told:
			told = err.Error()
			f.logger.ErrorContext(ctx, "the certificate of the webhooks has changed to one that cannot be served; the old one is served on", "error", err)
		case err == nil:
			told = ""
		}
		if changed {
			f.logger.InfoContext(ctx, "the certificate of the webhooks has changed", "dir", f.dir, "notAfter", f.NotAfter())
		}
	}
}

// Reload reads the files and tells whether they have changed.
func (f *Files) Reload() (changed bool, err error) {
	before := f.loaded.Load()
	next := &files{}
	for i, name := range [...]string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, caKey} {
		path := filepath.Join(f.dir, name)
		if next.content[i], err = readFile(path); err != nil && !(name == caKey && errors.Is(err, fs.ErrNotExist)) {
			return false, fmt.Errorf("reading the certificate of the webhooks: %w", err)
		}
	}
	if before != nil && before.same(next) {
		return false, nil
	}
	if next.pair, err = parsePair(next.content[0], next.content[1]); err != nil {
		// While files are being replaced one by one this happens, and goes away by itself.
		return false, fmt.Errorf("reading the certificate of the webhooks: %s and %s in %s: %w", corev1.TLSCertKey, corev1.TLSPrivateKeyKey, f.dir, err)
	}
	authorities := parseCertificates(next.content[2])
	if len(authorities) == 0 && len(bytes.TrimSpace(next.content[2])) > 0 {
		return false, fmt.Errorf("reading the certificate of the webhooks: %s holds no certificate in PEM", filepath.Join(f.dir, caKey))
	}
	if len(authorities) > 0 {
		next.bundle = encodeCertificates(authorities...)
	}
	f.loaded.Store(next)
	return true, nil
}

func (f *files) same(other *files) bool {
	for i := range f.content {
		if !bytes.Equal(f.content[i], other.content[i]) {
			return false
		}
	}
	return true
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return content, err
}

// GetCertificate is for tls.Config.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.loaded.Load().pair.tls, nil
}

// CABundle is what ca.crt holds; nil when there is no such file.
func (f *Files) CABundle() []byte { return f.loaded.Load().bundle }

// NotAfter is when the certificate expires.
func (f *Files) NotAfter() time.Time { return f.loaded.Load().pair.leaf.NotAfter }
