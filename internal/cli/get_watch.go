package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/internal/hub/api"
)

const (
	// firstPause and longestPause bound how long a watch waits until it asks a hub again that went away.
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// watch shows violations as they change.
type watch struct {
	client *hubClient
	list   func(context.Context) ([]api.Violation, error)
	filter url.Values
	write  func(*api.Violation) error
	stderr io.Writer
	// pause is how long to wait before trying for the nth time without success.
	pause func(n int) time.Duration

	// begun tells whether the hub has ever answered, listed whether what is shown is whole but for what the stream tells.
	begun, listed bool
	// last is the id to go on after, shown what was written of each violation.
	last  string
	shown map[string]string
	// fails are the tries in a row that came to nothing.
	fails int
	// broken is the error of writing.
	broken error
}

// pauses are longer and longer, and not the same for all who watch.
func pauses(n int) time.Duration {
	longest := min(firstPause<<min(n, 10), longestPause)
	return longest/2 + rand.N(longest/2)
}

// run shows changes until the context ends, which is no error.
func (w *watch) run(ctx context.Context) error {
	for {
		err := w.client.stream(ctx, "/v1/violations/changes?"+w.filter.Encode(), w.last, func(e hubEvent) error { return w.hear(ctx, e) })
		switch {
		case w.broken != nil:
			return w.broken
		case ctx.Err() != nil:
			return nil
		case !w.begun || w.final(err):
			return err
		}
		w.fails++
		pause := w.pause(w.fails - 1)
		fmt.Fprintf(w.stderr, "%v: trying again in %s\n", err, pause.Round(100*time.Millisecond))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// final tells whether an error stays. A token may have to be fetched anew, which is done after the first time that it is refused.
func (w *watch) final(err error) bool {
	var refusal *hubRefusal
	if !errors.As(err, &refusal) || refusal.status >= 500 {
		return false
	}
	switch refusal.status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
		return false
	case http.StatusUnauthorized:
		return w.fails > 0
	}
	return true
}

func (w *watch) hear(ctx context.Context, e hubEvent) error {
	if e.name == "lost" {
		w.listed = false
	}
	if e.id != "" {
		w.last = e.id
	}
	if !w.listed {
		if err := w.relist(ctx); err != nil {
			return err
		}
		w.begun, w.listed, w.fails = true, true, 0
	}
	switch e.name {
	case "opened", "changed", "resolved":
		var v api.Violation
		if err := json.Unmarshal([]byte(e.data), &v); err != nil {
			return fmt.Errorf("read what the hub tells: %w", err)
		}
		w.show(&v)
	}
	w.fails = 0
	return w.broken
}

// relist shows what is not shown as it is.
func (w *watch) relist(ctx context.Context) error {
	all, err := w.list(ctx)
	if err != nil {
		return err
	}
	before := w.shown
	w.shown = make(map[string]string, len(all))
	gone := len(before)
	for i := range all {
		was, known := before[all[i].ID]
		if known {
			gone--
			w.shown[all[i].ID] = was
		}
		w.show(&all[i])
	}
	if gone > 0 {
		fmt.Fprintf(w.stderr, "the hub does not know all that changed meanwhile; of what is shown above, not listed any more: %d\n", gone)
	}
	if len(all) == 0 && !w.begun {
		fmt.Fprintln(w.stderr, "no violations yet")
	}
	return w.broken
}

// show writes a violation, unless it was written as it is.
func (w *watch) show(v *api.Violation) {
	now := fmt.Sprint(v.Status, v.Count, v.LastSeen.UnixNano())
	if w.broken != nil || w.shown[v.ID] == now {
		return
	}
	w.broken = w.write(v)
	w.shown[v.ID] = now
	if !slices.Contains(w.filter["status"], v.Status) {
		delete(w.shown, v.ID) // lists do not have it
	}
}

// watchers write one violation after the other in a format.
func watchers(format string, to io.Writer) func(*api.Violation) error {
	switch format {
	case "json":
		encoder := json.NewEncoder(to)
		encoder.SetEscapeHTML(false)
		return func(v *api.Violation) error { return encoder.Encode(v) }
	case "yaml":
		return func(v *api.Violation) error {
			content, err := yaml.Marshal(v)
			if err == nil {
				_, err = to.Write(append([]byte("---\n"), content...))
			}
			return err
		}
	case "name":
		return func(v *api.Violation) error { return violationNames(to, []api.Violation{*v}) }
	}
	rows := &growingTable{to: to}
	return func(v *api.Violation) error {
		if rows.widths == nil {
			if err := rows.write(violationColumns(format == "wide")); err != nil {
				return err
			}
		}
		return rows.write(violationCells(v, format == "wide"))
	}
}

// growingTable writes rows as they come, each column as wide as its widest cell so far.
type growingTable struct {
	to     io.Writer
	widths []int
}

func (t *growingTable) write(cells []string) error {
	if t.widths == nil {
		t.widths = make([]int, len(cells))
	}
	var line strings.Builder
	for i, cell := range cells {
		line.WriteString(cell)
		if i == len(cells)-1 {
			break
		}
		width := utf8.RuneCountInString(cell)
		t.widths[i] = max(t.widths[i], width)
		line.WriteString(strings.Repeat(" ", t.widths[i]-width+3))
	}
	line.WriteByte('\n')
	_, err := io.WriteString(t.to, line.String())
	return err
}
