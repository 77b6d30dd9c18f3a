// Package breaker suspends policies that are slow again and again, so that one bad policy does not make every request
// wait. It is a circuit breaker (https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker) for each policy:
// after a pause one evaluation is let through, and decides whether the policy is in force again.
package breaker
