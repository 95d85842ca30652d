; The deck's program. Its free names (train_dataset, image_size, num_steps, accuracy, ...) are those of the slide.

(let examples (constant train_dataset))                                      ; Training data/labels
(let labels (constant train_labels))

(let W (variable (list (* image_size image_size) num_labels) truncated-normal)) ; Variables
(let b (variable (list num_labels) zeros))

(let logits (+ (MatMul examples W) b))                                       ; Training computation
(let loss (reduce-mean (SoftmaxCrossEntropyWithLogits logits labels)))

(let optimizer (minimize 0.5 loss))                                          ; Optimizer to use
(let prediction (Softmax logits))                                            ; Predictions for training data

(run (initialize-all-variables))
(for step num_steps
  (let (_ l predictions) (run optimizer loss prediction))                    ; Run & return 3 values
  (if (= (% step 100) 0)
      (begin
        (print "Loss at step" step ":" l)
        (print (% "Training accuracy: %.1f%%" (accuracy predictions train_labels))))))
