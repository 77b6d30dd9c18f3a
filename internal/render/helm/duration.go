package helm

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// toDuration understands what Helm's duration functions do: a duration, its text, and numbers as seconds.
func toDuration(v any) (time.Duration, error) {
	switch x := v.(type) {
	case nil:
		return 0, errors.New("invalid duration")
	case time.Duration:
		return x, nil
	case string:
		s := strings.TrimSpace(x)
		if d, err := time.ParseDuration(s); err == nil {
			return d, nil
		}
		seconds, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0, fmt.Errorf("could not parse duration %q", x)
		}
		return seconded(seconds)
	}
	switch number := reflect.ValueOf(v); {
	case number.CanInt():
		return wholeSeconds(number.Int())
	case number.CanUint():
		if number.Uint() > math.MaxInt64 {
			return 0, fmt.Errorf("duration seconds overflow: %d", number.Uint())
		}
		return wholeSeconds(int64(number.Uint()))
	case number.CanFloat():
		return seconded(number.Float())
	}
	return 0, fmt.Errorf("unsupported duration type %T", v)
}

func wholeSeconds(seconds int64) (time.Duration, error) {
	const most = math.MaxInt64 / int64(time.Second)
	if seconds > most || seconds < -most {
		return 0, fmt.Errorf("duration seconds overflow: %d", seconds)
	}
	return time.Duration(seconds) * time.Second, nil
}

func seconded(seconds float64) (time.Duration, error) {
	nanoseconds := seconds * float64(time.Second)
	if math.IsNaN(seconds) || math.Abs(nanoseconds) >= math.MaxInt64 {
		return 0, fmt.Errorf("duration seconds overflow: %v", seconds)
	}
	return time.Duration(nanoseconds), nil
}

// orZero is a duration, or none where Helm swallows the error.
func orZero(v any) time.Duration {
	d, err := toDuration(v)
	if err != nil {
		return 0
	}
	return d
}

func mustToDuration(v any) time.Duration {
	d, err := toDuration(v)
	if err != nil {
		panic(err)
	}
	return d
}

func durationSeconds(v any) float64    { return orZero(v).Seconds() }
func durationMilliseconds(v any) int64 { return orZero(v).Milliseconds() }
func durationMicroseconds(v any) int64 { return orZero(v).Microseconds() }
func durationNanoseconds(v any) int64  { return orZero(v).Nanoseconds() }
func durationMinutes(v any) float64    { return orZero(v).Minutes() }
func durationHours(v any) float64      { return orZero(v).Hours() }
func durationDays(v any) float64       { return orZero(v).Hours() / 24 }
func durationWeeks(v any) float64      { return orZero(v).Hours() / 24 / 7 }

// The unit of these two is ignored when it is not a duration.
func durationRoundTo(v, unit any) time.Duration    { return orZero(v).Round(orZero(unit)) }
func durationTruncateTo(v, unit any) time.Duration { return orZero(v).Truncate(orZero(unit)) }
