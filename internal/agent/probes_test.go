package agent

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
)

func TestChecked(t *testing.T) {
	good := check{"good", func(context.Context) error { return nil }}
	bad := check{"bad", func(context.Context) error { return errors.New("no") }}
	notes := func() []note { return []note{{"sink one", ""}, {"sink two", "down"}} }
	for _, test := range []struct {
		notes  func() []note
		checks []check
		path   string
		code   int
		body   string
	}{
		{notes, []check{good}, "/readyz", 200, "ok"},
		{notes, []check{good}, "/readyz?verbose", 200, "[+]good ok\n[+]sink one ok\n[!]sink two: down\n"},
		{nil, []check{good}, "/readyz", 200, "ok"},
		{nil, []check{good, good}, "/readyz?verbose", 200, "[+]good ok\n[+]good ok\n"},
		{nil, []check{good, bad}, "/readyz", 503, "[+]good ok\n[-]bad: no\n"},
		{nil, []check{bad, good}, "/readyz?verbose=1", 503, "[-]bad: no\n[+]good ok\n"},
	} {
		w := httptest.NewRecorder()
		checked(test.notes, test.checks...).ServeHTTP(w, httptest.NewRequest("GET", test.path, nil))
		if w.Code != test.code || w.Body.String() != test.body {
			t.Errorf("%s: %d %q, want %d %q", test.path, w.Code, w.Body, test.code, test.body)
		}
	}
}
