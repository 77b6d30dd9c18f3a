package cel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/assay-gitops/assay/policy"
)

// maxIssues bounds the errors that are told about one expression: a long expression of nonsense has thousands.
const maxIssues = 10

// issuesToErrors turns what the compiler found into code errors.
func issuesToErrors(field, source string, issues *cel.Issues) []error {
	found := issues.Errors()
	errs := make([]error, 0, min(len(found), maxIssues))
	for _, issue := range found[:min(len(found), maxIssues)] {
		errs = append(errs, errorAt(field, source, issue.Location, issue.Message))
	}
	return errs
}

// errorAt is an error at a place of an expression.
func errorAt(field, source string, at common.Location, message string) *policy.CodeError {
	err := &policy.CodeError{Field: field, Message: strings.TrimPrefix(message, "Syntax error: ")}
	if at == nil || at.Line() < 1 || at.Column() < 0 {
		return err
	}
	err.Line, err.Column = at.Line(), at.Column()+1
	err.Excerpt = excerpt(source, err.Line, err.Column)
	return err
}

// excerptWidth is how many characters of a long line an excerpt shows.
const excerptWidth = 120

// excerpt is a line of the source and a caret below the column. Of a long line only what is around the column is shown.
func excerpt(source string, line, column int) string {
	for ; line > 1; line-- {
		_, rest, found := strings.Cut(source, "\n")
		if !found {
			return ""
		}
		source = rest
	}
	text, _, _ := strings.Cut(source, "\n")
	text = strings.TrimSuffix(text, "\r")
	if utf8.RuneCountInString(text) > excerptWidth {
		runes := []rune(text)
		start := max(0, min(column-1-excerptWidth/2, len(runes)-excerptWidth))
		text = string(runes[start : start+excerptWidth])
		column -= start
	}
	// Tabs are kept in the caret's line, so that it stays below its character whatever a tab's width is.
	var indent strings.Builder
	for _, r := range text {
		if column--; column == 0 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		indent.WriteRune(r)
	}
	return text + "\n" + indent.String() + "^"
}

// budgetError is why an evaluation stops when the policy has used up its budget.
type budgetError struct {
	field string
	total uint64
}

func (e *budgetError) Error() string {
	return fmt.Sprintf("%s: the policy has used up its cost budget of %d units on this object", e.field, e.total)
}

// stopped tells whether an error ends the evaluation of the whole policy rather than of one expression.
func stopped(err error) bool {
	var budget *budgetError
	return errors.As(err, &budget) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// failure turns the error of an evaluation into one that says where it happened.
func (e *expression) failure(ctx context.Context, err error) error {
	var evaluation *types.Err
	if errors.As(err, &evaluation) {
		var blamed *policy.CodeError
		if cause := evaluation.Unwrap(); errors.As(cause, &blamed) || stopped(cause) {
			return cause // of the variable that the expression reads
		}
	}
	var cancelled interpreter.EvalCancelledError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: the evaluation was stopped: %w", e.field, context.Cause(ctx))
	case errors.As(err, &cancelled) && cancelled.Cause == interpreter.CostLimitExceeded:
		message := fmt.Sprintf("the expression costs more than the limit of %d units on this object", celconfig.PerCallLimit)
		return &policy.CodeError{Field: e.field, Message: message}
	case evaluation != nil:
		return errorAt(e.field, e.source, e.location(evaluation), evaluation.Error())
	}
	return &policy.CodeError{Field: e.field, Message: err.Error()}
}

// location is where in the source an evaluation failed; nil when unknown.
func (e *expression) location(err *types.Err) common.Location {
	// cel-go has one shared value for "no such overload", which remembers the place where it was seen first.
	if err.NodeID() == 0 || err == types.NoSuchOverloadErr() {
		return nil
	}
	return e.info.GetStartLocation(err.NodeID())
}
