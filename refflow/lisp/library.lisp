; What programs in this language call, and how slopes flow back. Names of nodes are those of the first release.

(define (zeros shape) (constant (full shape 0.0) "zeros"))

(define (truncated-normal shape)
  (scope "truncated_normal"
    (let dims (constant shape "shape"))
    (let mean (constant 0.0 "mean")) (let stddev (constant 1.0 "stddev"))
    (let drawn (TruncatedNormal dims :dtype float32 :seed seed :seed2 (if seed (count) 0)))
    (Add (Mul drawn stddev :name "mul") mean :name here)))

(let variables (list)) (let initializers (list))

(define (variable shape initial)
  (let start (initial shape))
  (let made (push variables (Variable :shape shape :dtype float32)))
  (scope (join made "/") (push initializers (Assign made start)))
  made)

(define (initialize-all-variables) (NoOp :name "init" :after initializers))

(define (range n) (Range 0 n 1 :name "range"))
(define (reduce-mean x) (Mean x (range (Rank x))))
(define (reduce-prod x) (Prod x (range (Rank x))))

(define (minimize rate loss)
  (let slopes (gradients loss variables))
  (scope "GradientDescent"
    (let step (constant rate "learning_rate"))
    (define (update v slope) (scope (join "update_" v) (ApplyGradientDescent v step slope)))
    (NoOp :name here :after (map update variables slopes))))

; Slopes of one node are used only when all of them are there.
(define (gate slopes)
  (scope "tuple"
    (let all (NoOp :name "group_deps" :after slopes))
    (define (gated slope) (if slope (Identity slope :name "control_dependency" :after (list all))))
    (map gated slopes)))

(define (slopes-of-Add a b sum dsum)
  (let shape-a (Shape a)) (let shape-b (Shape b))
  (let axes (BroadcastGradientArgs shape-a shape-b))
  (list (Reshape (Sum dsum axes) shape-a) (Reshape (Sum dsum (out axes 1)) shape-b)))

(define (slopes-of-MatMul a b product dproduct)
  (let ta (attr product "transpose_a")) (let tb (attr product "transpose_b"))
  (list (if ta (MatMul b dproduct :transpose_a tb :transpose_b true) (MatMul dproduct b :transpose_b (not tb)))
        (if tb (MatMul dproduct a :transpose_a true :transpose_b ta) (MatMul a dproduct :transpose_a (not ta)))))

(define (slopes-of-Relu x y dy) (list (ReluGrad dy y)))

(define (slopes-of-SoftmaxCrossEntropyWithLogits logits labels loss dloss dbackprop)
  (list (Mul (ExpandDims dloss -1) (out loss 1) :name "mul") nil))

(define (slopes-of-Mean x axes mean dmean)
  (let shape (Shape x)) (let rank (Rank x)) (let reduced (Shape axes))
  (let kept (DynamicStitch (list (range rank) axes) (list shape (Fill reduced 1))))
  (let tiles (Div shape kept :name "div"))
  (let spread (Tile (Reshape dmean kept) tiles))
  (let from (Shape x)) (let to (Shape mean))
  (let each (Cast (Div (reduce-prod from) (reduce-prod to) :name "div") :DstT float32))
  (list (Div spread each :name "div") nil))
