package sinktest

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Fault is how a server misbehaves.
type Fault string

// The faults.
const (
	None Fault = "none"
	// Down closes every connection without an answer.
	Down Fault = "down"
	// Slow answers never, until the client gives up.
	Slow Fault = "slow"
	// Flapping is down for every other request.
	Flapping Fault = "flapping"
	// TooMany answers 429 with Retry-After: 1.
	TooMany Fault = "too many requests"
	// Broken answers 503.
	Broken Fault = "unavailable"
	// HalfAnswer does what it was asked to, and closes in the middle of the answer.
	HalfAnswer Fault = "half an answer"
	// HalfRequest reads a part of the request and closes.
	HalfRequest Fault = "half a request"
)

// Faults are those that a sink must survive.
var Faults = []Fault{Down, Slow, Flapping, TooMany, Broken, HalfAnswer, HalfRequest}

// Misbehaving is a server that has a fault until it is healed.
type Misbehaving struct {
	Handler http.Handler
	fault   atomic.Value
	// Hits counts requests.
	Hits atomic.Int64
}

// Set changes the fault.
func (m *Misbehaving) Set(f Fault) { m.fault.Store(f) }

func (m *Misbehaving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hit := m.Hits.Add(1)
	fault, _ := m.fault.Load().(Fault)
	switch fault {
	case Down:
		panic(http.ErrAbortHandler)
	case Flapping:
		if hit%2 == 1 {
			panic(http.ErrAbortHandler)
		}
	case Slow:
		_, _ = io.Copy(io.Discard, r.Body) // before that, the server does not see that the client went away
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
		return
	case TooMany:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case Broken:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case HalfRequest:
		_, _ = r.Body.Read(make([]byte, 100))
		panic(http.ErrAbortHandler)
	case HalfAnswer:
		m.Handler.ServeHTTP(discard{}, r)
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte("{"))
		panic(http.ErrAbortHandler)
	}
	m.Handler.ServeHTTP(w, r)
}

// discard is a response that nobody sees.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
