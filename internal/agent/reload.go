package agent

import (
	"context"
	"os"
	"time"

	"github.com/assay-gitops/assay/internal/agent/breaker"
	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/gate/audit"
)

// configInterval is how often the configuration file is looked at. Kubelet swaps mounted files some time after their
// ConfigMap changed; notifications about that are more trouble than a look.
const configInterval = 2 * time.Second

// followConfig takes over changes of the configuration file while the agent runs. A file that is no good changes nothing.
func (a *agent) followConfig(ctx context.Context) error {
	if a.options.ConfigFile == "" {
		return nil
	}
	seen, err := os.ReadFile(a.options.ConfigFile)
	if err != nil {
		a.logger.Warn("the configuration file cannot be read", "error", err)
	}
	for pause(ctx, configInterval) {
		content, err := os.ReadFile(a.options.ConfigFile)
		if err != nil || string(content) == string(seen) {
			continue // a file that is being replaced is there at the next look
		}
		seen = content
		a.reload()
	}
	return nil
}

func (a *agent) reload() {
	next, warnings, err := Load(a.options)
	if err != nil {
		a.metrics.reloads.WithLabelValues("refused").Inc()
		a.logger.Error("the changed configuration is not valid; the one before stays in force", "error", err)
		return
	}
	for _, w := range warnings {
		a.logger.Warn("configuration: " + w.String())
	}
	outcome := "applied"
	if keys := a.config.Load().RestartNeeded(next); len(keys) > 0 {
		outcome = "restart_needed"
		a.logger.Warn("these keys of the changed configuration take effect when the agent is restarted", "keys", keys)
	}
	a.metrics.reloads.WithLabelValues(outcome).Inc()
	a.take(next)
	a.logger.Info("configuration reloaded")
}

// take puts into force what can change while the agent runs.
func (a *agent) take(next *agentconfig.Config) {
	a.level.Set(next.LogLevel)
	a.breakers.setOptions(a.breakerOptions(next))
	a.config.Store(next)
	a.book.changed.notify()
	a.register.notify()
	a.auditing.tell((*audit.Auditor).Changed)
}

// breakerOptions are those of the breaker of a gate.
func (a *agent) breakerOptions(c *agentconfig.Config) func(gate string) breaker.Options {
	o := breaker.Options{
		Budget: c.Breaker.Budget, Failures: c.Breaker.Failures, Window: c.Breaker.Window, Pause: c.Breaker.Pause,
		Now: time.Now, Observe: a.metrics.evaluations.observe,
	}
	if !c.Breaker.Enabled {
		o.Failures = 0
	}
	return func(gate string) breaker.Options {
		o.OnChange = func(id string, open bool, reason string) { a.suspended(gate, id, open, reason) }
		return o
	}
}

// suspended is told when the circuit of a policy opened or closed at a gate.
func (a *agent) suspended(gate, id string, open bool, reason string) {
	if open {
		a.metrics.suspended.WithLabelValues(id, gate).Set(1)
		a.metrics.suspensions.WithLabelValues(id, gate).Inc()
		a.logger.Warn("policy suspended: its violations are neither found nor denied for a while", "policy", id, "gate", gate, "reason", reason)
	} else {
		a.metrics.suspended.WithLabelValues(id, gate).Set(0)
		a.logger.Info("policy in force again", "policy", id, "gate", gate, "reason", reason)
	}
	if e := a.book.current.Load(); e != nil {
		for _, p := range e.snapshot.Policies() {
			if p.Spec.ID != id {
				continue
			}
			if open {
				a.recorder.Eventf(p, nil, "Warning", "CircuitOpen", "Suspend", "%s: %s", gate, reason)
			} else {
				a.recorder.Eventf(p, nil, "Normal", "CircuitClosed", "Resume", "%s: %s", gate, reason)
			}
		}
	}
	a.statuses.wanted.notify()
}
