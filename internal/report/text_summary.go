package report

import (
	"strings"
	"time"

	"github.com/assay-gitops/assay/policy"
)

// problems lists what could not be checked, and what is odd.
func (p *textPrinter) problems(r *Report) {
	for i := range r.Problems {
		problem := &r.Problems[i]
		p.wrapped(p.problemLabel(problem)+": ", len(problemName(problem))+len(problem.Kind)+len("[]: "), p.style.bold, printable(problem.Message))
		gutter := 1
		if problem.Excerpt != "" {
			p.place(problem.Location)
			p.excerpt(problem)
		} else {
			gutter = p.frame(problem.Location, false)
		}
		if problem.Hint != "" {
			p.note(gutter, "help", printable(problem.Hint))
		}
		p.printf("\n")
	}
}

func (p *textPrinter) place(at policy.Location) {
	if at.File != "" {
		p.printf(" %s %s\n", p.style.blue("-->"), oneLine(place(at)))
	}
}

func (p *textPrinter) excerpt(problem *policy.Problem) {
	bar := p.style.blue("|")
	p.printf("  %s\n", bar)
	for line := range strings.Lines(strings.TrimRight(problem.Excerpt, "\n")) {
		line = strings.TrimRight(line, "\n")
		shown := shorten(printable(line), p.width)
		if caret := strings.TrimLeft(line, " \t"); caret == "^" {
			shown = strings.Replace(shown, "^", p.style.red("^"), 1)
		}
		p.printf("  %s %s\n", bar, shown)
	}
	p.printf("  %s\n", bar)
}

// topPolicies is how many policies the summary names.
const topPolicies = 5

// topIndent is what stands around a policy's id there.
const topIndent = len("  ") + 10 + len(" ") + len("  ")

func (p *textPrinter) summary(r *Report) {
	all, bySeverity, byPolicy := tally(r)
	if all.total() > 0 {
		p.printf("%s\n\n", p.style.bold("Summary"))
		p.printf("  %-10s %10s %10s %10s\n", "severity", "violations", "warnings", "excepted")
		for _, severity := range severities {
			c := bySeverity[severity]
			p.printf("  %-10s %s %s %s\n", severity, p.number(c.violations, p.style.red), p.number(c.warnings, p.style.yellow), p.number(c.excepted, p.style.dim))
		}
		p.printf("\n  %-10s %s\n", "findings", "policy")
		for _, c := range byPolicy[:min(topPolicies, len(byPolicy))] {
			id := oneLine(c.policy.Spec.ID)
			name := shorten(oneLine(c.policy.Spec.Name), max(p.width-len(id)-topIndent, 0))
			p.printf("  %10d %s  %s\n", c.total(), id, p.style.dim("%s", name))
		}
		if rest := len(byPolicy) - topPolicies; rest > 0 {
			p.printf("  %10s and %s\n", "", p.style.dim("%s more", plural(rest, "policy")))
		}
		p.printf("\n")
	}
	p.verdict(r, all)
	p.printf("  %s\n", p.style.dim("%s judged by %s in %s", extent(r),
		plural(len(r.Policies), "policy"), r.Duration.Round(time.Millisecond)))
	if all.warnings > 0 {
		p.printf("  %s\n", p.style.dim("warnings are findings of policies that are not enforced"))
	}
	if len(byPolicy) > 0 {
		p.printf("  %s\n", p.style.dim("why, and how to solve it: assay explain %s", strings.TrimPrefix(oneLine(byPolicy[0].policy.Spec.ID), "weave.policies.")))
	}
}

func (p *textPrinter) number(n int, paint func(string, ...any) string) string {
	if n == 0 {
		return p.style.dim("%10s", "-")
	}
	return paint("%10d", n)
}

// verdict says in one line how the run ended.
func (p *textPrinter) verdict(r *Report, all counts) {
	var parts []string
	if all.violations > 0 {
		parts = append(parts, plural(all.violations, "violation"))
	}
	if all.warnings > 0 {
		parts = append(parts, plural(all.warnings, "warning"))
	}
	if all.excepted > 0 {
		parts = append(parts, plural(all.excepted, "excepted finding"))
	}
	found := strings.Join(parts, ", ")
	if found == "" {
		found = "no violations"
	}
	switch {
	case r.Incomplete():
		p.printf("%s\n", p.style.red("✗ %s; %s could not be checked", found, plural(errorCount(r), "thing")))
	case r.Failed():
		p.printf("%s\n", p.style.red("✗ %s", found))
	case r.Objects == 0:
		p.printf("%s\n", p.style.yellow("! nothing was checked: no Kubernetes objects were found"))
	case all.violations > 0 && r.FailOn != "":
		p.printf("%s\n", p.style.green("✓ %s; none is %s or worse, which would fail the run", found, r.FailOn))
	case all.total() > 0:
		p.printf("%s\n", p.style.green("✓ %s; nothing that fails the run", found))
	default:
		p.printf("%s\n", p.style.green("✓ %s", found))
	}
}
