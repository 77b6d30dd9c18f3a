package sink

import (
	"net/http"
	"strconv"
	"time"
)

// RetryAfter reads the HTTP header of that name, seconds or a date (RFC 9110, 10.2.3); zero for anything else.
func RetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), 24*60*60)) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}
