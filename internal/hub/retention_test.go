package hub_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub"
	"github.com/assay-gitops/assay/internal/hub/store/sqlite"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
)

// lines are sent on as they are logged.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(bytes.TrimSpace(line))
	return len(line), nil
}

// filled is a store with results of the last days, the newest two hours old, and how many bytes they use.
func filled(t *testing.T, dir string) (used int64) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for day := range 10 {
		var results []*sink.Result
		for n := range 300 {
			r := storetest.Result(fmt.Sprint(day, "-", n), storetest.Object("Pod", "shop", fmt.Sprint("pod-", n)), storetest.Life(sink.Changed, ""))
			r.Validation.CreatedAt = time.Now().Add(-2*time.Hour - time.Duration(9-day)*24*time.Hour)
			r.Validation.Message = fmt.Sprint("pod ", n, " on day ", day)
			results = append(results, r)
		}
		if _, err := s.Add(t.Context(), "home", results); err != nil {
			t.Fatal(err)
		}
	}
	if used, err = s.Used(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return used
}

// logged runs a hub until it has logged a line with a message.
func logged(t *testing.T, o hub.Options, message string) {
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	log, ended := make(lines), make(chan error, 1)
	o.Logger = slog.New(slog.NewJSONHandler(log, nil))
	go func() { ended <- hub.Run(ctx, o) }()
	found := false
	for {
		select {
		case line := <-log:
			t.Log(line)
			if bytes.Contains([]byte(line), []byte(message)) {
				found = true
				end()
			}
		case err := <-ended:
			if err != nil || !found {
				t.Errorf("it ended without having logged %q: %v", message, err)
			}
			return
		}
	}
}

func TestAHubForgetsTheOldestWhenTheStoreIsTooLarge(t *testing.T) {
	o := options(t)
	used := filled(t, o.Dir)
	o.Keep, o.MaxSize = 90*24*time.Hour, used*8/10
	logged(t, o, "were forgotten because of --max-size")
	s, err := sqlite.Open(t.Context(), o.Dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now, err := s.Used(t.Context())
	stats, statsErr := s.Stats(t.Context())
	if err != nil || statsErr != nil || now > o.MaxSize || stats.Results < 1000 || stats.Results >= 3000 || stats.Violations != 300 {
		t.Errorf("%d bytes of %d are used for %+v, %v, %v", now, o.MaxSize, stats, err, statsErr)
	}
}

func TestAHubSaysThatItsStoreCannotBeSmallEnough(t *testing.T) {
	o := options(t)
	filled(t, o.Dir)
	o.Keep, o.MaxSize = 90*24*time.Hour, 4096
	logged(t, o, "the store stays larger than --max-size")
}
