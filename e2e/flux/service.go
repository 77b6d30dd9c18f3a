package flux

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
)

// service carries connections to a controller while it is ready, and closes them at once while it is not.
type service struct {
	listener net.Listener
	target   string
	ready    atomic.Bool
}

func newService(target string) (*service, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for notification-controller's Service: %w", err)
	}
	s := &service{listener: listener, target: target}
	go s.serve()
	return s, nil
}

func (s *service) serve() {
	for {
		from, err := s.listener.Accept()
		if err != nil {
			return // it is closed
		}
		go s.carry(from)
	}
}

func (s *service) carry(from net.Conn) {
	defer from.Close()
	if !s.ready.Load() {
		return
	}
	to, err := net.Dial("tcp", s.target)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		defer from.Close()
		_, _ = io.Copy(from, to) // a connection that breaks is what its ends see
	}()
	_, _ = io.Copy(to, from)
}
