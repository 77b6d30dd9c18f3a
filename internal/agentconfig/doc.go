// Package agentconfig is the agent's configuration file: the keys of the old agent, unchanged, and the new ones.
//
// [Load] reads YAML and the environment into a [Config] in which every value is present and right, or tells every fault
// at once, each with its place. One table (keys.go) says what the keys are, what they default to, what they mean and whether a
// running agent can take a change over; reading, environment variables, [Config.RestartNeeded] and the page people
// read ([Reference]) all come from it.
package agentconfig
