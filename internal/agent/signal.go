package agent

// signal wakes whoever waits for it; waking twice before it is seen is waking once.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) notify() {
	select {
	case s <- struct{}{}:
	default:
	}
}
