package cluster

import "os/exec"

// Process is a program that runs beside the control plane: a part of what people run that is no pod here.
type Process struct{ process *process }

// StartProcess starts a program whose output is appended to a file. It ends with the process that started it at the latest.
func StartProcess(name, log string, command *exec.Cmd) (*Process, error) {
	p, err := start(name, log, command)
	if err != nil {
		return nil, err
	}
	return &Process{p}, nil
}

// Stop asks the program to end, and kills it when that takes too long.
func (p *Process) Stop() error { return p.process.stop(stopTimeout) }

// Kill ends the program at once.
func (p *Process) Kill() error { return p.process.kill() }

// Ended tells whether the program runs no more.
func (p *Process) Ended() bool { return p.process.ended() }

// Tail is the end of the program's log.
func (p *Process) Tail() string { return p.process.tail() }

// FreeAddresses finds addresses on loopback that nothing listens on.
func FreeAddresses(n int) ([]string, error) { return freePorts(n) }
