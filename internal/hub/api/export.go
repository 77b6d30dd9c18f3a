package api

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/store"
)

const (
	exportPath = "/v1/export"
	// parallelExports bounds how many go on at once, exportPage what one has in memory.
	parallelExports = 4
	exportPage      = 1000
)

type exportInput struct {
	Filter
	Format string `query:"format" enum:"csv,ndjson" default:"csv" doc:"csv, with a line of names first, or ndjson: a violation a line, as in lists."`
}

// registerExport serves the export, whose answer is a stream.
func (s *service) registerExport() {
	huma.Register(s.api, s.forReaders(auth.List, huma.Operation{
		OperationID: "export-violations", Method: http.MethodGet, Path: exportPath, Tags: []string{"Violations"},
		Summary: "Exports violations",
		Description: "All that you may see and the filters mean, those first seen first. When it cannot be finished the connection is broken off, so that what " +
			"came does not look whole. In CSV, a text that a spreadsheet would take for a formula has a ' before it.",
		Responses: map[string]*huma.Response{"200": {Description: "The violations.", Content: map[string]*huma.MediaType{
			"text/csv":             {Schema: &huma.Schema{Type: huma.TypeString}},
			"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}},
		}}},
	}), s.export)
}

// export answers with a problem as long as nothing has been written.
func (s *service) export(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	select {
	case s.exports <- struct{}{}:
	default:
		return nil, after(huma.Error503ServiceUnavailable("others are exporting: try again in a moment"), busyFor)
	}
	query := in.query(scopeOf(ctx))
	page := store.Page{Order: store.ByFirstSeen, Ascending: true, Limit: exportPage}
	first, err := s.store.Violations(ctx, query, page)
	if err != nil {
		<-s.exports
		return nil, s.problem(ctx, "exporting violations", err)
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer func() { <-s.exports }()
		if err := s.stream(hctx, in.Format, query, page, first); err != nil {
			if ctx.Err() == nil {
				s.logger.ErrorContext(ctx, "an export was broken off", "error", err, "request", requestID(ctx))
			}
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

func (s *service) stream(hctx huma.Context, format string, query store.Query, page store.Page, found store.Violations) error {
	_, w := humago.Unwrap(hctx)
	control := http.NewResponseController(w)
	name, media := "violations-"+s.now().UTC().Format("2006-01-02"), "text/csv; charset=utf-8; header=present"
	var lines lineWriter = newCSVLines(w)
	if format == "ndjson" {
		media, lines = "application/x-ndjson", ndjsonLines{json.NewEncoder(w)}
	}
	hctx.SetHeader("Content-Type", media)
	hctx.SetHeader("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.%s"`, name, format))
	hctx.SetStatus(http.StatusOK)
	if err := lines.begin(); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	for {
		for i := range found.Items {
			if err := lines.write(shown(&found.Items[i])); err != nil {
				return fmt.Errorf("writing: %w", err)
			}
		}
		if err := errors.Join(lines.flush(), ignoringUnsupported(control.Flush()), ignoringUnsupported(control.SetWriteDeadline(time.Now().Add(writeTimeout)))); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
		if found.Next == "" {
			return nil
		}
		page.Cursor = found.Next
		var err error
		if found, err = s.store.Violations(hctx.Context(), query, page); err != nil {
			return fmt.Errorf("reading the next violations: %w", err)
		}
	}
}

// ignoringUnsupported is the error of a http.ResponseController, but for what the writer of a test cannot do.
func ignoringUnsupported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

type lineWriter interface {
	begin() error
	write(Violation) error
	flush() error
}

type ndjsonLines struct{ encoder *json.Encoder }

func (l ndjsonLines) begin() error            { l.encoder.SetEscapeHTML(false); return nil }
func (l ndjsonLines) write(v Violation) error { return l.encoder.Encode(v) }
func (l ndjsonLines) flush() error            { return nil }

type csvLines struct{ w *csv.Writer }

func newCSVLines(w io.Writer) csvLines { return csvLines{csv.NewWriter(w)} }

func (l csvLines) begin() error {
	return l.w.Write([]string{
		"id", "cluster", "gate", "status", "resolution", "enforced", "severity", "category", "policy_id", "policy_name", "standards",
		"api_version", "kind", "namespace", "name", "workspace", "app", "revision", "message", "first_seen", "last_seen", "count",
	})
}

func (l csvLines) write(v Violation) error {
	var standards []string
	for _, standard := range v.Policy.Standards {
		standards = append(standards, standard.ID)
	}
	var app, revision string
	if v.App != nil {
		app, revision = v.App.Kind+"/"+v.App.Namespace+"/"+v.App.Name, v.App.Revision
	}
	fields := []string{
		v.ID, v.Cluster, v.Gate, v.Status, v.Resolution, strconv.FormatBool(v.Enforced), v.Policy.Severity, v.Policy.Category, v.Policy.ID, v.Policy.Name,
		strings.Join(standards, " "), v.Object.APIVersion, v.Object.Kind, v.Object.Namespace, v.Object.Name, v.Workspace, app, revision, v.Message,
		v.FirstSeen.Format(time.RFC3339), v.LastSeen.Format(time.RFC3339), strconv.Itoa(v.Count),
	}
	for i := range fields {
		fields[i] = noFormula(fields[i])
	}
	return l.w.Write(fields)
}

func (l csvLines) flush() error {
	l.w.Flush()
	return l.w.Error()
}

// noFormula puts a ' before what spreadsheets run (https://owasp.org/www-community/attacks/CSV_Injection), which those show as text. Wide
// forms of the signs are taken for them in some languages, and white space before them is left out by some importers.
func noFormula(text string) string {
	trimmed := strings.TrimLeft(text, " \u00a0\u3000\ufeff\v\f\n")
	if strings.HasPrefix(text, "\t") || strings.HasPrefix(text, "\r") || trimmed != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", []rune(trimmed)[0]) {
		return "'" + text
	}
	return text
}
