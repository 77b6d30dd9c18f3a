// Package policies is the gate for policies themselves: it judges Policies, PolicySets, PolicyConfigs and PolicyExceptions
// when they are applied, so that what cannot work is refused with a sentence, and what may not work is warned about.
package policies
