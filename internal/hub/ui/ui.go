// Package ui serves the hub's user interface: files that are in the binary, beside the API. They tell nothing of what was found, so anybody may
// have them; what they show, they ask the API for.
package ui

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

const (
	index = "index.html"
	// placeholder is what the build writes where a page's nonce belongs.
	placeholder = "__CSP_NONCE__"
	// assets have the hash of their content in their names.
	assets = "assets/"
)

// OfTheAPI are the beginnings of paths that the API answers.
func OfTheAPI() []string {
	return []string{"/v1", "/auth", "/openapi.json", "/docs", "/healthz", "/readyz", "/metrics"}
}

// handler serves files. It is safe for concurrent use: nothing changes after it was made.
type handler struct {
	api   http.Handler
	files map[string]file
	// page is index.html, cut where the nonce belongs; nil when the user interface was not built.
	page [][]byte
}

type file struct {
	kind, tag         string
	plain, gzip, brot []byte
}

// Over serves the user interface where the API has nothing. Every path without a file is the page, which finds out itself what the path means.
// The error is that files cannot be read.
func Over(api http.Handler, files fs.FS) (http.Handler, error) {
	h := &handler{api: api, files: map[string]file{}}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") {
			return err
		}
		plain, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if name == index {
			h.page = bytes.Split(plain, []byte(placeholder))
			return nil
		}
		sum := sha256.Sum256(plain)
		f := file{kind: mime.TypeByExtension(path.Ext(name)), tag: base64.RawURLEncoding.EncodeToString(sum[:12]), plain: plain}
		if f.kind == "" {
			f.kind = "application/octet-stream"
		}
		if f.gzip, err = sibling(files, name+".gz"); err != nil {
			return err
		}
		if f.brot, err = sibling(files, name+".br"); err != nil {
			return err
		}
		h.files[name] = f
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the user interface in the binary: %w", err)
	}
	return h, nil
}

// sibling is the compressed form of a file, nil when there is none.
func sibling(files fs.FS, name string) ([]byte, error) {
	text, err := fs.ReadFile(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// ServeHTTP answers what is not the API's.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || ofTheAPI(r.URL.Path) {
		h.api.ServeHTTP(w, r)
		return
	}
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	f, ok := h.files[name]
	switch {
	case ok:
		h.serveFile(w, r, name, &f)
	case strings.HasPrefix(name, assets):
		// A page of another version asks for what is gone. The page itself would be taken for a script that is wrong.
		http.Error(w, "there is no such file in this version: reload the page", http.StatusNotFound)
	default:
		h.servePage(w, r)
	}
}

func ofTheAPI(p string) bool {
	for _, beginning := range OfTheAPI() {
		if p == beginning || strings.HasPrefix(p, beginning+"/") {
			return true
		}
	}
	return false
}

func (h *handler) serveFile(w http.ResponseWriter, r *http.Request, name string, f *file) {
	header := w.Header()
	text, encoding := f.plain, ""
	switch {
	case f.brot != nil && accepts(r, "br"):
		text, encoding = f.brot, "br"
	case f.gzip != nil && accepts(r, "gzip"):
		text, encoding = f.gzip, "gzip"
	}
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
	}
	if f.gzip != nil || f.brot != nil {
		header.Set("Vary", "Accept-Encoding")
	}
	tag := `"` + f.tag + encoding + `"`
	header.Set("ETag", tag)
	header.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, assets) {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	// An image opened by itself is a document, which may do nothing.
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, r, f.kind, http.StatusOK, text)
}

// servePage answers with the page. Styles are made by its script with a nonce that is another one each time; scripts are files of the hub's.
func (h *handler) servePage(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if h.page == nil {
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		write(w, r, "text/html; charset=utf-8", http.StatusNotFound, []byte(notBuilt))
		return
	}
	nonce := rand.Text()
	header.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"+nonce+"'; img-src 'self' data:; "+
		"connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	write(w, r, "text/html; charset=utf-8", http.StatusOK, bytes.Join(h.page, []byte(nonce)))
}

const notBuilt = `<!doctype html><html lang="en"><title>Assay</title><h1>This binary has no user interface</h1>
<p>It was built without one. In a checkout, <code>make web build</code> builds it in; it needs Node.js.</p>
<p>The API is here: <a href="/docs">what it answers</a>.</p></html>
`

func write(w http.ResponseWriter, r *http.Request, kind string, status int, text []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		// Who does not take the answer has gone.
		_, _ = w.Write(text)
	}
}

// accepts tells whether the client takes an encoding (RFC 9110, 12.5.3).
func accepts(r *http.Request, encoding string) bool {
	for _, one := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			_, q, ok := strings.Cut(strings.ReplaceAll(weight, " ", ""), "q=")
			value, err := strconv.ParseFloat(q, 64)
			return !ok || err == nil && value > 0
		}
	}
	return false
}
