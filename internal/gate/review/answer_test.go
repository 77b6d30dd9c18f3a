package review

import (
	"testing"
	"time"
)

func TestAnswersAreDueBeforeTheAPIServerGivesUp(t *testing.T) {
	for _, test := range []struct {
		configured time.Duration
		asked      string
		want       time.Duration
	}{
		{10 * time.Second, "", 9500 * time.Millisecond},
		{10 * time.Second, "3s", 2700 * time.Millisecond},
		{2 * time.Second, "10s", 1800 * time.Millisecond},
		{300 * time.Millisecond, "", 250 * time.Millisecond},
		{30 * time.Millisecond, "", 15 * time.Millisecond},
		{10 * time.Second, "soon", 9500 * time.Millisecond},
		{10 * time.Second, "-1s", 9500 * time.Millisecond},
	} {
		if got := within(test.configured, test.asked); got != test.want {
			t.Errorf("%s and timeout=%s: got %s, want %s", test.configured, test.asked, got, test.want)
		}
	}
}
