package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a program that runs.
type process struct {
	name    string
	command *exec.Cmd
	log     string
	done    chan struct{}
}

// start starts a program whose output is appended to a file.
func start(name, log string, command *exec.Cmd) (*process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	command.Stdout, command.Stderr = file, file
	// Nothing is left running when the test is killed.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", name, err), file.Close())
	}
	p := &process{name: name, command: command, log: log, done: make(chan struct{})}
	go func() {
		// How it ended is asked of its state; an end by a signal is an error to Wait.
		command.Wait() //nolint:errcheck // see above
		file.Close()
		close(p.done)
	}()
	return p, nil
}

// run starts a part of the control plane.
func (c *Cluster) run(name string, args ...string) (*process, error) {
	return start(name, filepath.Join(c.dir, name+".log"), exec.Command(c.binary, append([]string{name}, args...)...))
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) signal(s syscall.Signal) error {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %s to %s (process %d): %w", s, p.name, p.command.Process.Pid, err)
	}
	return nil
}

func (p *process) pause() error  { return p.signal(syscall.SIGSTOP) }
func (p *process) resume() error { return p.signal(syscall.SIGCONT) }

// kill ends the process at once and waits until it is gone.
func (p *process) kill() error {
	err := p.signal(syscall.SIGKILL)
	if err == nil {
		<-p.done
	}
	return err
}

// stop asks the process to end, and kills it when that takes too long.
func (p *process) stop(grace time.Duration) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	// One that is paused would not see it.
	if err := p.resume(); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(grace):
		return p.kill()
	}
}

// tail is the end of the process's log.
func (p *process) tail() string {
	content, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	const size = 4000
	return string(content[max(0, len(content)-size):])
}

// Ports are looked for below those that the kernel gives to outgoing connections, which might take one before it is used, and
// every process begins elsewhere.
const firstPort, portCount = 15000, 15000

var nextPort atomic.Int64

// freePort finds a port on loopback that nothing listens on.
func freePort() (int, error) {
	nextPort.CompareAndSwap(0, int64(os.Getpid()*97%portCount)+1)
	for range portCount {
		port := firstPort + int(nextPort.Add(1)%portCount)
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			continue
		}
		return port, listener.Close()
	}
	return 0, errors.New("no port is free")
}

// freePorts finds addresses on loopback that nothing listens on.
func freePorts(n int) ([]string, error) {
	var addresses []string
	for range n {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", port))
	}
	return addresses, nil
}
