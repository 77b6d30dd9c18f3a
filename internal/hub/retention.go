package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/sqlite"
)

const (
	// forgetEvery is how often what is old is removed.
	forgetEvery = time.Hour
	// measureEvery is how often the store is measured. At 10,000 results a second it may grow by some 150 MB in between.
	measureEvery = 30 * time.Second
	// tooSmallEvery is how often the hub tries again to make a store small that cannot be: each time reads all of it.
	tooSmallEvery = 15 * time.Minute
)

// retention removes what is old, and the oldest when the store is too large. It does one at a time.
type retention struct {
	store store.Store
	// sized is the store when it has a size that can be made smaller; nil for a search server, which has room of its own.
	sized *sqlite.Store
	keep  time.Duration
	// limit is how many bytes may be used; 0 for no limit.
	limit  int64
	logger *slog.Logger

	forgotten *prometheus.CounterVec
	used      prometheus.Gauge
	// tooSmall is when the store could last not be made small enough.
	tooSmall time.Time
}

func newRetention(kept store.Store, o *Options, metrics prometheus.Registerer) (*retention, error) {
	r := &retention{
		store: kept, keep: o.Keep, limit: o.MaxSize, logger: o.Logger,
		forgotten: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_hub_forgotten_results_total", Help: "Results that were removed because of their age, or because of the store's size.",
		}, []string{"reason"}),
		used: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "assay_hub_store_used_bytes", Help: "Bytes of the database that hold something, which is what --max-size limits. The file has free room besides.",
		}),
	}
	collectors := []prometheus.Collector{r.forgotten}
	if sized, ok := kept.(*sqlite.Store); ok {
		r.sized = sized
		collectors = append(collectors, r.used)
	}
	for _, reason := range []string{"age", "size"} {
		r.forgotten.WithLabelValues(reason) // counted from 0, so that the first is an increase
	}
	for _, collector := range collectors {
		if err := metrics.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of what is forgotten: %w", err)
		}
	}
	return r, nil
}

// run goes on until the context ends.
func (r *retention) run(ctx context.Context) {
	measure, forget := time.NewTicker(measureEvery), time.NewTicker(forgetEvery)
	defer measure.Stop()
	defer forget.Stop()
	r.age(ctx)
	for {
		r.size(ctx)
		select {
		case <-ctx.Done():
			return
		case <-forget.C:
			r.age(ctx)
		case <-measure.C:
		}
	}
}

func (r *retention) age(ctx context.Context) {
	removed, err := r.store.Forget(ctx, time.Now().Add(-r.keep))
	r.forgotten.WithLabelValues("age").Add(float64(removed))
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.logger.Error("what is old could not be removed; it is tried again", "error", err, "after", forgetEvery)
	case removed > 0:
		r.logger.Info("removed what is old", "removed", removed, "olderThan", r.keep)
	}
}

func (r *retention) size(ctx context.Context) {
	if r.sized == nil {
		return
	}
	used, err := r.sized.Used(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.logger.Error("the store could not be measured; it is tried again", "error", err, "after", measureEvery)
		}
		return
	}
	r.used.Set(float64(used))
	if r.limit == 0 || used <= r.limit || time.Since(r.tooSmall) < tooSmallEvery {
		return
	}
	r.logger.Warn("the store is larger than --max-size: the oldest results are forgotten", "usedBytes", used, "maxBytes", r.limit)
	began := time.Now()
	done, err := r.sized.Shrink(ctx, r.limit)
	r.forgotten.WithLabelValues("size").Add(float64(done.Results))
	r.used.Set(float64(done.After))
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, sqlite.ErrTooSmall):
		r.tooSmall = time.Now()
		r.logger.Error("the store stays larger than --max-size: give it more room, or repair what violates",
			"error", err, "forgotten", done.Results, "usedBytes", done.After, "maxBytes", r.limit, "again", tooSmallEvery)
	case err != nil:
		r.logger.Error("the store could not be made smaller; it is tried again", "error", err, "forgotten", done.Results, "after", measureEvery)
	default:
		r.logger.Warn("the oldest results were forgotten because of --max-size", "forgotten", done.Results, "usedBytesBefore", done.Before,
			"usedBytes", done.After, "maxBytes", r.limit, "took", time.Since(began).Round(time.Millisecond))
	}
}
