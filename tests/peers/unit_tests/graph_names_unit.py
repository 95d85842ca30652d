"""Names and scopes of names."""

from tensorflow.core.framework import node_def_pb2
from tensorflow.python.framework import constant_op, dtypes, ops, test_util
from tensorflow.python.ops import array_ops, control_flow_ops


class NameTest(test_util.TensorFlowTestCase):
    def testUniqueNames(self):
        g = ops.Graph()
        self.assertEqual("foo", g.unique_name("foo"))
        self.assertEqual("foo_1", g.unique_name("foo"))
        self.assertEqual("foo_2", g.unique_name("foo", mark_as_used=False))
        self.assertEqual("foo_2", g.unique_name("foo"))
        self.assertEqual("foo_1_1", g.unique_name("foo_1"))
        self.assertEqual("FOO_3", g.unique_name("FOO"))
        self.assertEqual("bar/baz", g.unique_name("bar/baz"))
        with g.name_scope("bar"):
            self.assertEqual("bar/x", g.unique_name("x"))
            self.assertEqual("bar/baz_1", g.unique_name("baz"))

    def testNameScopes(self):
        g = ops.Graph()
        with g.as_default():
            with g.name_scope("a") as a:
                self.assertEqual("a/", a)
                self.assertEqual("a", g.get_name_scope())
                with g.name_scope("b") as b:
                    self.assertEqual("a/b/", b)
                    self.assertEqual("a/b/x", control_flow_ops.no_op(name="x").name)
                with g.name_scope("b") as b2:
                    self.assertEqual("a/b_1/", b2)
                with g.name_scope(b):
                    self.assertEqual("a/b/x_1", control_flow_ops.no_op(name="x").name)
                with g.name_scope(None) as top:
                    self.assertEqual("", top)
                    self.assertEqual("x", control_flow_ops.no_op(name="x").name)
                with g.name_scope("") as top:
                    self.assertEqual("", top)
            with g.name_scope("a") as again:
                self.assertEqual("a_1/", again)
            self.assertEqual("", g.get_name_scope())
            with g.name_scope("A") as cap:
                self.assertEqual("A_2/", cap)

    def testBadScopeNames(self):
        g = ops.Graph()
        for bad in ("_a", "-a", "$a", "a b", "a:0"):
            with self.assertRaisesRegex(ValueError, "is not a valid root scope name"), g.name_scope(bad):
                pass
        with g.name_scope("ok"):
            with g.name_scope("_inner") as s:
                self.assertEqual("ok/_inner/", s)
            with self.assertRaisesRegex(ValueError, "is not a valid scope name"), g.name_scope("a b"):
                pass

    def testBadOpNames(self):
        with ops.Graph().as_default():
            for bad in ("_x", "a b", "a:0", ""):
                if bad:
                    with self.assertRaisesRegex(
                        ValueError,
                        "is not a valid node name|not a valid scope name|Invalid name|not a valid root scope name",
                    ):
                        array_ops.placeholder(dtypes.float32, name=bad)
            self.assertEqual(".x-y_z/q.0", array_ops.placeholder(dtypes.float32, name=".x-y_z/q.0").op.name)

    @test_util.run_v1_only("graph")
    def testNameScopeFunction(self):
        a = constant_op.constant(1.0)
        with ops.name_scope("mine", "default", [a]) as s:
            self.assertEqual("mine/", s)
        with ops.name_scope(None, "default", [a]) as s:
            self.assertEqual("default/", s)
        with ops.name_scope(None, "default", [a]) as s:
            self.assertEqual("default_1/", s)
        with ops.name_scope(None) as s:
            self.assertEqual("", s)
        ns = ops.name_scope("q")
        self.assertEqual("q", ns.name)
        with ns as s:
            self.assertEqual("q/", s)
        with self.assertRaises(ValueError), ops.name_scope(None, None, [a]):
            pass
        with self.assertRaises(TypeError):
            ops.name_scope("a", default_name=[a]).__enter__()
        with ops.name_scope("outer"):
            self.assertEqual("outer", ops.get_name_scope())
            with ops.name_scope_v2("in") as s:
                self.assertEqual("outer/in/", s)
            with ops.name_scope_v2("in") as s:
                self.assertEqual("outer/in_1/", s)
            with ops.name_scope_v2("outer/in/") as s:
                self.assertEqual("outer/in/", s)
        with self.assertRaises(ValueError):
            ops.name_scope_v2(None)

    def testScopeWithGraphOfValues(self):
        g1, g2 = ops.Graph(), ops.Graph()
        with g1.as_default():
            a = constant_op.constant(1.0)
        with g2.as_default():
            with ops.name_scope("s", values=[a]):
                self.assertIs(g1, ops.get_default_graph())
                b = constant_op.constant(1.0)
            self.assertEqual("s/Const", b.op.name)
            self.assertIs(g1, b.graph)
            c = constant_op.constant(2.0)
            with self.assertRaisesRegex(ValueError, "must be from the same graph"), ops.name_scope("t", values=[a, c]):
                pass

    @test_util.run_v1_only("graph")
    def testOpScope(self):
        a = constant_op.constant(1.0)
        with ops.op_scope([a], "q") as s:
            self.assertEqual("q/", s)
        with ops.op_scope([a], None, "dflt") as s:
            self.assertEqual("dflt/", s)

    def testStripAndPrepend(self):
        self.assertEqual("b/c", ops.strip_name_scope("a/b/c", "a"))
        self.assertEqual("a/b/c", ops.strip_name_scope("a/b/c", None))
        self.assertEqual("^b", ops.strip_name_scope("^a/b", "a"))
        self.assertEqual("loc:@b", ops.strip_name_scope("loc:@a/b", "a"))
        self.assertEqual("s/a", ops.prepend_name_scope("a", "s"))
        self.assertEqual("^s/a", ops.prepend_name_scope("^a", "s"))
        self.assertEqual("loc:@s/a", ops.prepend_name_scope("loc:@a", "s"))
        self.assertEqual("a", ops.prepend_name_scope("a", None))
        self.assertEqual("a", ops.name_from_scope_name("a/"))
        self.assertEqual("a", ops.name_from_scope_name("a"))


class CollectionTest(test_util.TensorFlowTestCase):
    def testAll(self):
        with ops.Graph().as_default() as g:
            g.add_to_collection("k", 1)
            g.add_to_collection("k", "two")
            g.add_to_collections(["k", "j", "j"], 3)
            self.assertEqual([1, "two", 3], g.get_collection("k"))
            self.assertEqual([3], g.get_collection("j"))
            self.assertEqual([], g.get_collection("none"))
            self.assertItemsEqual(["k", "j"], g.collections)
            self.assertItemsEqual(["k", "j"], g.get_all_collection_keys())
            ref = g.get_collection_ref("k")
            ref.append(9)
            self.assertEqual([1, "two", 3, 9], g.get_collection("k"))
            g.get_collection("k").append(4)
            self.assertEqual([1, "two", 3, 9], g.get_collection("k"))
            self.assertEqual([], g.get_collection_ref("fresh"))
            g.clear_collection("k")
            self.assertEqual([], g.get_collection("k"))
            ops.add_to_collection("m", 1)
            ops.add_to_collections("m", 2)
            ops.add_to_collections(("m", "n"), 5)
            self.assertEqual([1, 2, 5], ops.get_collection("m"))
            self.assertEqual([5], ops.get_collection_ref("n"))
            self.assertIn("m", ops.get_all_collection_keys())

    def testScope(self):
        with ops.Graph().as_default() as g:

            class Named:
                def __init__(self, name):
                    self.name = name

            one, two, three = Named("foo/one"), Named("bar/foo/two"), "plain"
            for o in (one, two, three):
                g.add_to_collection("k", o)
            self.assertEqual([one], g.get_collection("k", "foo"))
            self.assertEqual([one, two], g.get_collection("k", ".*foo"))
            self.assertEqual([two], g.get_collection("k", "bar"))
            self.assertEqual([one, two, three], g.get_collection("k", None))
            self.assertEqual([one, two], g.get_collection("k", ""))

    def testProtoFunctions(self):
        ops.register_proto_function("unit_things", node_def_pb2.NodeDef, to_proto=lambda x: x, from_proto=lambda x: x)
        self.assertIs(node_def_pb2.NodeDef, ops.get_collection_proto_type("unit_things"))
        self.assertIsNotNone(ops.get_to_proto_function("unit_things"))
        self.assertIsNotNone(ops.get_from_proto_function("unit_things"))
        self.assertIsNone(ops.get_to_proto_function("not_there"))
        with self.assertRaises(TypeError):
            ops.register_proto_function("unit_more", to_proto=3)
