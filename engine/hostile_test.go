package engine

import (
	"context"
	"encoding/json"
	"testing"
	"time"
)

func TestParametersHaveFiniteNumbers(t *testing.T) {
	for _, raw := range []string{`1e400`, `[1, -1e400]`, `{"a": {"b": 1e400}}`} {
		if value, err := decode([]byte(raw)); err == nil {
			_, marshal := json.Marshal(value)
			t.Errorf("%s: accepted as %v; in a report: %v", raw, value, marshal)
		}
	}
}

func TestDeadlineOfOneEvaluationDoesNotStopTheNext(t *testing.T) {
	// The timer has fired, and what it set off has not come round to cancelling yet.
	w := newWatch(context.Background(), time.Hour, nil)
	defer func() { w.end() }()
	w.timer.Stop()
	w.set = w.set.Add(-time.Hour)
	before := w.brake
	w.next()
	if w.brake == before {
		t.Error("the next evaluation can be stopped by the deadline of the one before")
	}
}
