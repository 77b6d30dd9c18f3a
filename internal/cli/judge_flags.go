package cli

import (
	"time"

	"github.com/spf13/pflag"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/policy"
)

// judgeFlags are those of every command that judges objects by policies.
type judgeFlags struct {
	policies []string
	mode     string
	failOn   string
	only     filterFlags
	timeout  time.Duration
	jobs     int
	// workloads as they were written.
	workloads []string
}

// definePolicies defines the flags that choose the policies: by default those that act in the mode, and those that instead names.
func (j *judgeFlags) definePolicies(f *pflag.FlagSet, mode v2.Mode, instead string) {
	f.StringArrayVarP(&j.policies, "policies", "p", nil, "`path` of policies to judge by, instead of those "+instead+"; repeatable")
	f.StringVar(&j.mode, "mode", string(mode), "judge by the policies that act in this `mode`: admission or audit")
	j.only.define(f)
	f.StringArrayVar(&j.workloads, "workload", nil, "`kind` with a pod template that Assay does not know, judged as a Deployment is: GROUP/KIND=PATH[:LIKE], such as argoproj.io/Rollout=spec.template; repeatable")
	f.DurationVar(&j.timeout, "timeout", 0, "longest `time` that one policy may take on one object (default 1s)")
}

// defineVerdict defines the flags about what the findings come to.
func (j *judgeFlags) defineVerdict(f *pflag.FlagSet) {
	f.StringVar(&j.failOn, "fail-on", string(v2.SeverityLow), "least `severity` that makes the exit code 1: low, medium, high or none")
	f.IntVarP(&j.jobs, "jobs", "j", 0, "`number` of objects judged at the same time (default: one for each processor)")
}

// judging is what the flags say in the gates' words.
type judging struct {
	mode   v2.Mode
	failOn v2.Severity
	only   catalog.Filter
	// workloads are those that were declared.
	workloads []policy.Workload
}

func (j *judgeFlags) read() (r judging, err error) {
	if r.mode, err = parseMode(j.mode); err != nil {
		return r, err
	}
	if r.failOn, err = parseFailOn(j.failOn); err != nil {
		return r, err
	}
	if r.only, err = j.only.filter(); err != nil {
		return r, err
	}
	for _, declared := range j.workloads {
		w, err := policy.ParseWorkload(declared)
		if err != nil {
			return r, usageErrorf("--workload %q: %v", declared, err)
		}
		r.workloads = append(r.workloads, w)
	}
	if j.timeout < 0 || j.jobs < 0 {
		return r, usageErrorf("--timeout and --jobs must not be negative")
	}
	return r, nil
}
