package helm

import (
	"strconv"
	"text/template/parse"

	"github.com/assay-gitops/assay/policy"
)

// maxActions bounds the actions of one template. Parsing and walking them recurses.
const maxActions = 100_000

// node is a node of a template that writes something.
type node struct {
	// source is nil in text that a template made.
	source *source
	// pos is the offset in the source, in bytes.
	pos int
	// text says that the node is text, and written as it is.
	text bool
	// values are the paths below .Values that the node mentions.
	values []policy.Path
}

// instrument puts marks into the tree of a template. They keep the positions of all else, so that errors are as Helm's.
type instrument struct {
	renderer *renderer
	source   *source
	current  *parse.Tree
}

// dot is what a template sees as its dot, as far as that can be said without executing it.
type dot struct {
	// path from the scope of the chart.
	path  []string
	known bool
}

func (i *instrument) tree(tree *parse.Tree) {
	i.current = tree
	// Most templates and nearly all that others include are called with the scope of the chart.
	i.list(tree.Root, dot{known: true})
	root := tree.Root
	nodes := make([]parse.Node, 0, len(root.Nodes)+2)
	nodes = append(nodes, i.call(root.Pos, enterFunc))
	nodes = append(nodes, root.Nodes...)
	root.Nodes = append(nodes, i.call(root.Pos, leaveFunc))
}

func (i *instrument) list(list *parse.ListNode, at dot) {
	if list == nil {
		return
	}
	nodes := make([]parse.Node, 0, 2*len(list.Nodes))
	for _, n := range list.Nodes {
		nodes = append(nodes, i.marked(n, at)...)
	}
	list.Nodes = nodes
}

// marked is a node with the mark that goes before it, and with marks inside.
func (i *instrument) marked(n parse.Node, at dot) []parse.Node {
	switch n := n.(type) {
	case *parse.TextNode:
		return []parse.Node{i.mark(node{pos: int(n.Pos), text: true}), n}
	case *parse.ActionNode:
		mark := i.mark(node{pos: int(n.Pos), values: mentioned(n.Pipe, at)})
		if len(n.Pipe.Decl) == 0 {
			n.Pipe.Cmds = append(n.Pipe.Cmds, i.command(n.Pos, outFunc))
		}
		return []parse.Node{mark, n}
	case *parse.TemplateNode:
		return []parse.Node{i.mark(node{pos: int(n.Pos), values: mentioned(n.Pipe, at)}), n}
	case *parse.IfNode:
		i.list(n.List, at)
		i.list(n.ElseList, at)
	case *parse.WithNode:
		i.list(n.List, at.enter(n.Pipe))
		i.list(n.ElseList, at)
	case *parse.RangeNode:
		i.list(n.List, dot{})
		i.list(n.ElseList, at)
		// Even a loop that does nothing takes steps.
		n.List.Nodes = append([]parse.Node{i.mark(node{pos: int(n.Pos)})}, n.List.Nodes...)
	}
	return []parse.Node{n}
}

func (i *instrument) mark(n node) parse.Node {
	n.source = i.source
	id := len(i.renderer.nodes)
	i.renderer.nodes = append(i.renderer.nodes, n)
	number := &parse.NumberNode{NodeType: parse.NodeNumber, Pos: parse.Pos(n.pos), IsInt: true, Int64: int64(id), Text: strconv.Itoa(id)}
	return i.call(parse.Pos(n.pos), markFunc, number)
}

// call is an action that calls a function.
func (i *instrument) call(pos parse.Pos, function string, args ...parse.Node) parse.Node {
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Pos: pos, Cmds: []*parse.CommandNode{i.command(pos, function, args...)}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: pos, Pipe: pipe}
}

func (i *instrument) command(pos parse.Pos, function string, args ...parse.Node) *parse.CommandNode {
	name := parse.NewIdentifier(function).SetPos(pos).SetTree(i.current)
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: append([]parse.Node{name}, args...)}
}

// enter is the dot inside of a with.
func (d dot) enter(pipe *parse.PipeNode) dot {
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return dot{}
	}
	path, ok := d.resolve(pipe.Cmds[0].Args[0])
	return dot{path: path, known: ok}
}

// resolve is the path from the scope of the chart that an expression stands for.
func (d dot) resolve(n parse.Node) (path []string, ok bool) {
	switch n := n.(type) {
	case *parse.DotNode:
		return d.path, d.known
	case *parse.FieldNode:
		return append(d.path[:len(d.path):len(d.path)], n.Ident...), d.known
	case *parse.VariableNode:
		return n.Ident[1:], n.Ident[0] == "$"
	}
	return nil, false
}

// mentioned are the paths below .Values in a pipeline.
func mentioned(pipe *parse.PipeNode, at dot) []policy.Path {
	if pipe == nil {
		return nil
	}
	var paths []policy.Path
	for _, command := range pipe.Cmds {
		for _, arg := range command.Args {
			if inner, ok := arg.(*parse.PipeNode); ok {
				paths = append(paths, mentioned(inner, at)...)
				continue
			}
			path, ok := at.resolve(arg)
			if !ok || len(path) < 2 || path[0] != "Values" {
				continue
			}
			var steps policy.Path
			for _, key := range path[1:] {
				steps = append(steps, policy.Key(key))
			}
			paths = append(paths, steps)
		}
	}
	return paths
}
