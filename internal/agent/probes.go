package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// stuck is how long compiling may take before the process is better started again: what compiles cannot be interrupted.
const stuck = 5 * time.Minute

// check is something that must hold, for the agent to get requests.
type check struct {
	name  string
	holds func(context.Context) error
}

// note is something that is told beside checks, and that no request has to wait for.
type note struct{ name, trouble string }

// probes say whether the process is alive (/healthz), whether it should get requests (/readyz), and how it is doing (/status).
func (a *agent) probes(webhooks string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/healthz", checked(nil, check{"compiler", func(context.Context) error {
		if since := a.book.compiling.Load(); since != 0 && time.Since(time.Unix(0, since)) > stuck {
			return fmt.Errorf("compiling the policies has taken longer than %s", stuck)
		}
		return nil
	}}))
	ready := []check{
		{"policies", func(context.Context) error {
			if a.book.current.Load() == nil {
				return errors.New("the policies are not compiled yet")
			}
			return nil
		}},
		{"journal", func(context.Context) error {
			if !a.results.tried.Load() {
				return errors.New("the journal is not open yet")
			}
			return nil
		}},
		{"certificate", func(context.Context) error {
			switch end := a.certificates.NotAfter(); {
			case end.IsZero():
				return errors.New("there is no certificate yet")
			case time.Now().After(end):
				return fmt.Errorf("the certificate expired at %s", end.UTC().Format(time.RFC3339))
			}
			return nil
		}},
		{"webhooks", func(ctx context.Context) error { return answers(ctx, webhooks) }},
		{"serving", func(context.Context) error {
			if a.draining.Load() {
				return errors.New("the agent is ending")
			}
			return nil
		}},
	}
	mux.Handle("/readyz", checked(func() []note { return append(a.results.notes(), a.auditing.notes()...) }, ready...))
	mux.HandleFunc("/status", func(w http.ResponseWriter, r *http.Request) { a.state(r.Context(), ready).answer(w) })
	return mux
}

// checked answers "ok", or with ?verbose and when something does not hold, a line for each check as Kubernetes' own components do
// (https://kubernetes.io/docs/reference/using-api/health-checks/). Notes, which may be nil, are lines that do not change the answer.
func checked(notes func() []note, checks ...check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, lines := http.StatusOK, &strings.Builder{}
		for _, c := range checks {
			if err := c.holds(r.Context()); err != nil {
				code = http.StatusServiceUnavailable
				fmt.Fprintf(lines, "[-]%s: %s\n", c.name, err)
			} else {
				fmt.Fprintf(lines, "[+]%s ok\n", c.name)
			}
		}
		if notes != nil {
			for _, n := range notes() {
				if n.trouble != "" {
					fmt.Fprintf(lines, "[!]%s: %s\n", n.name, n.trouble)
				} else {
					fmt.Fprintf(lines, "[+]%s ok\n", n.name)
				}
			}
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(code)
		if code == http.StatusOK && !r.URL.Query().Has("verbose") {
			fmt.Fprint(w, "ok")
			return
		}
		fmt.Fprint(w, lines)
	})
}
