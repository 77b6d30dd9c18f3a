package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/gate/check"
)

func TestProgressShowsOnlyLongRunsOnTerminals(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name        string
		terminal    bool
		environment map[string]string
		off         bool
		after       []time.Duration
		want        string
	}{
		{"a short run shows nothing", true, nil, false, []time.Duration{900 * time.Millisecond}, ""},
		{"a long one shows a line and takes it away", true, nil, false, []time.Duration{time.Second}, "\r\x1b[Kjudging … 1 of 9\r\x1b[K"},
		{
			"the line is not redrawn all the time", true, nil, false,
			[]time.Duration{time.Second, 1050 * time.Millisecond, 1100 * time.Millisecond},
			"\r\x1b[Kjudging … 1 of 9\r\x1b[Kjudging … 3 of 9\r\x1b[K",
		},
		{"a file gets none", false, nil, false, []time.Duration{time.Hour}, ""},
		{"nor does a log of a build", true, map[string]string{"CI": "true"}, false, []time.Duration{time.Hour}, ""},
		{"nor who does not want it", true, nil, true, []time.Duration{time.Hour}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			env := &Env{Stderr: &out, StderrIsTerminal: test.terminal, Getenv: func(key string) string { return test.environment[key] }}
			p := newProgress(env, test.off)
			p.next = start.Add(progressDelay)
			for i, after := range test.after {
				p.now = func() time.Time { return start.Add(after) }
				p.update(progressLine(check.Progress{Phase: check.Judging, Done: i + 1, Found: 9}))
			}
			p.clear()
			if got := out.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
