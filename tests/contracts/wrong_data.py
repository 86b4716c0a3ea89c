"""Wrong data and names: the mistake in words, and its code."""

DATA = {
    "gray levels in bounds of [0, 1]": "model.fit(255 * x, y)",
    "inputs around 0": "model.fit(2 * x - 1, y)",
    "uint8 images": "model.fit((255 * x).astype('uint8'), y)",
    "NaN": "model.fit(np.where(x > 0.7, np.nan, x), y)",
    "infinity": "model.fit(np.where(x > 0.7, np.inf, x), y)",
    "a list of lists": "model.fit((255 * x).tolist(), y.tolist())",
    "complex numbers": "model.fit(x.astype('complex64'), y)",
    "booleans": "model.fit(x > 0.5, y)",
    "text": "model.fit(x.astype(str), y)",
    "objects": "model.fit(x.astype(object), y)",
    "no examples": "model.fit(x[:0], y[:0])",
    "no data": "model.fit(None)",
    "no labels": "model.fit(x)",
    "x and y of different length": "model.fit(x, y[:9])",
    "other features": "model.fit(x[:, :3], y)",
    "one example without its batch axis": "model.fit(x[0], y[:1])",
    "channels first": "vision.fit(images.transpose(0, 3, 1, 2), y)",
    "larger images": "vision.fit(np.zeros((16, 32, 32, 3), 'float32'), y)",
    "images without channels": "vision.fit(images[..., 0], y)",
    "labels from 1": "model.fit(x, y + 1)",
    "labels -1 and 1": "model.fit(x, 2 * y - 1)",
    "labels between classes": "model.fit(x, y + 0.5)",
    "labels that are NaN": "model.fit(x, y * np.nan)",
    "labels that are names": "model.fit(x, np.array(['cat', 'dog'])[y])",
    "labels that are booleans of no class": (
        "model.fit(x, np.stack([y == 0, y == 1, y == 2], -1))"
    ),
    "labels of two columns of classes": "model.fit(x, np.stack([y, y], -1))",
    "labels for each pixel": "model.fit(x, np.zeros((16, 4, 4)))",
    "one-hot labels without a categorical loss": "model.fit(x, np.eye(2)[y])",
    "class numbers with a categorical loss": "one_hot.fit(x, y)",
    "labels that are no probabilities": "one_hot.fit(x, 0.8 * np.eye(2)[y])",
    "labels of several classes at once": "one_hot.fit(x, np.ones((16, 2)))",
    "one-hot labels of other classes": "one_hot.fit(x, np.eye(3)[y])",
    "a batch larger than Free's delta": "free.fit(x, y, batch_size=16)",
    "a batch size of 0": "model.fit(x, y, batch_size=0)",
    "a batch size that is text": "model.fit(x, y, batch_size='16')",
    "validation data of another shape": (
        "model.fit(x, y, validation_data=(x[:, :3], y))"
    ),
    "validation data in gray levels": "model.fit(x, y, validation_data=(255 * x, y))",
    "validation labels of other classes": "model.fit(x, y, validation_data=(x, y + 1))",
    "validation data without labels": "model.fit(x, y, validation_data=x)",
    "validation data in three parts too many": (
        "model.fit(x, y, validation_data=(x, y, y, y))"
    ),
    "sample weights of another length": "model.fit(x, y, sample_weight=np.ones(9))",
    "sample weights that are NaN": "model.fit(x, y, sample_weight=y * np.nan)",
    "sample weights below 0": "model.fit(x, y, sample_weight=y - 1.0)",
    "sample weights in a list": "model.fit(x, y, sample_weight=[1.0] * 16)",
    "sample weights of three columns": (
        "model.fit(x, y, sample_weight=np.ones((16, 3)))"
    ),
    "sample weights below 0 in train_on_batch": ("model.train_on_batch(x, y, y - 1.0)"),
    "class weights in a list": "model.fit(x, y, class_weight=[1.0, 2.0])",
    "class weights of other classes": "model.fit(x, y, class_weight={1: 1.0, 2: 2.0})",
    "class weights by name": "model.fit(x, y, class_weight={'cat': 1.0})",
    "class weights below 0": "model.fit(x, y, class_weight={0: -1.0})",
    "class weights that are NaN": "model.fit(x, y, class_weight={0: np.nan})",
    "class weights beside sample weights": (
        "model.fit(x, y, class_weight={0: 2.0}, sample_weight=y + 1.0)"
    ),
    "a validation split that leaves nothing": "model.fit(x, y, validation_split=1.0)",
    "class weights below 0 in train_on_batch": (
        "model.train_on_batch(x, y, class_weight={0: -1.0})"
    ),
    "inputs in [0, 1] in bounds of gray levels": (
        "toy.model(training.PGDTraining(Linf('8/255', bounds=(0, 255)))).fit(x, y)"
    ),
    "class numbers with a squared error": "squared.fit(x, y)",
    "gray levels in evaluate": "model.evaluate(255 * x, y)",
    "labels of other classes in evaluate": "model.evaluate(x, y + 1)",
    "gray levels in train_on_batch": "model.train_on_batch(255 * x, y)",
    "labels of other classes in train_on_batch": "model.train_on_batch(x, y + 1)",
    "a batch larger than Free's delta in train_on_batch": "free.train_on_batch(x, y)",
}
STREAMS = {
    "gray levels in the first batch": "model.fit(toy.stream((255 * x, y)))",
    "batches without labels": "model.fit(toy.stream((x,)))",
    "batches that are dictionaries": "model.fit(toy.stream({'image': x, 'label': y}))",
    "sample weights that are NaN in the first batch": (
        "model.fit(toy.stream((x, y, y * np.nan)))"
    ),
    "sample weights below 0 in the first batch": (
        "model.fit(toy.stream((x, y, y - 1.0)))"
    ),
    "examples that are not batched": "model.fit(toy.stream((x[0], y[0])))",
    "a stream of nothing": "model.fit(toy.stream())",
}
LATER_BATCHES = {
    "gray levels in a later batch": (
        "model.fit(toy.stream((x, y), (255 * x, y)), steps_per_epoch=2)"
    ),
    "NaN in a later batch": (
        "model.fit(toy.stream((x, y), (x * np.nan, y)), steps_per_epoch=2)"
    ),
    "labels of other classes in a later batch": (
        "model.fit(toy.stream((x, y), (x, y + 1)), steps_per_epoch=2)"
    ),
    "gray levels in a later batch of the validation": (
        "model.fit(x, y, validation_data=toy.stream((x, y), (255 * x, y)), "
        "validation_steps=2)"
    ),
    "a later batch larger than Free's delta": (
        "free.fit(toy.stream((x[:8], y[:8]), (x, y)), steps_per_epoch=2)"
    ),
}
EVALUATION = {
    "a path where nothing is": "evaluate_robustness('nothing.keras', (x, y), attack)",
    "a function for a model": "evaluate_robustness(lambda z: z, (x, y), attack)",
    "a twin for other inputs": (
        "mpat.evaluation.audit(net, (x, y), ball, twins={'standard': vision})"
    ),
    "an audit with twins without names": (
        "mpat.evaluation.audit(net, (x, y), ball, twins=[net])"
    ),
    "the audited net as its twin": (
        "mpat.evaluation.audit(net, (x, y), ball, twins={'standard': net})"
    ),
    "a twin where there is no file": (
        "mpat.evaluation.audit(net, (x, y), ball, twins={'standard': 'no.keras'})"
    ),
    "a plain classifier for that of the head": (
        "mpat.evaluation.audit(net, (x, y), ball, head_model=net)"
    ),
    "runs that are paths": (
        "mpat.evaluation.audit(net, (x, y), ball, runs=['evaluation.json'])"
    ),
    "too few modes": "mpat.evaluation.audit(net, (x, y), ball, modes=y[:3])",
    "a record that is text": (
        "mpat.evaluation.audit(net, (x, y), ball, record='last epoch')"
    ),
    "weights chosen on something unknown": (
        "mpat.evaluation.audit(net, (x, y), ball, record={'selected_on': 'luck'})"
    ),
    "an audit with training images alone": (
        "mpat.evaluation.audit(net, (x, y), ball, train=x)"
    ),
    "an audit of no examples": "mpat.evaluation.audit(net, (x, y), ball, examples=0)",
    "an attack by name in an audit": (
        "mpat.evaluation.audit(net, (x, y), ball, attack='pgd', verbose=False)"
    ),
    "an attack by name in evaluation": "evaluate_robustness(net, (x, y), 'pgd')",
    "an attack class in evaluation": "evaluate_robustness(net, (x, y), attacks.PGD)",
    "a threat model for an attack": "evaluate_robustness(net, (x, y), ball)",
    "a list of names": "evaluate_robustness(net, (x, y), ['pgd', 'cw'])",
    "no attack": "evaluate_robustness(net, (x, y), [])",
    "no examples to evaluate": "evaluate_robustness(net, (x[:0], y[:0]), attack)",
    "x and y of different length in evaluation": (
        "evaluate_robustness(net, (x, y[:9]), attack)"
    ),
    "inputs without labels": "evaluate_robustness(net, x, attack)",
    "no data at all": "evaluate_robustness(net, None, attack)",
    "gray levels in evaluation": "evaluate_robustness(net, (255 * x, y), attack)",
    "inputs in [0, 1] in bounds of gray levels, in evaluation": (
        "evaluate_robustness(net, (x, y), attacks.FGSM(L2('8/255', bounds=(0, 255))))"
    ),
    "weights in the evaluated stream": (
        "evaluate_robustness(net, toy.stream((x, y, y)), attack)"
    ),
    "examples that are not batched in evaluation": (
        "evaluate_robustness(net, toy.stream((x[0], y[0])), attack)"
    ),
    "other features in evaluation": "evaluate_robustness(net, (x[:, :3], y), attack)",
    "labels of other classes in evaluation": (
        "evaluate_robustness(net, (x, y + 1), attack)"
    ),
    "labels between classes in evaluation": (
        "evaluate_robustness(net, (x, y + 0.5), attack)"
    ),
    "names for labels in evaluation": (
        "evaluate_robustness(net, (x, np.array(['cat', 'dog'])[y]), attack)"
    ),
    "an L2 ball larger than the box": (
        "evaluate_robustness(net, (x, y), attacks.PGD(L2(8)))"
    ),
    "no limit": "evaluate_robustness(net, (x, y), attack, limit=0)",
    "no batch": "evaluate_robustness(net, (x, y), attack, batch_size=0)",
    "a seed below 0 in evaluation": "evaluate_robustness(net, (x, y), attack, seed=-1)",
    "certify that is no switch": (
        "evaluate_robustness(net, (x, y), attack, certify='crown')"
    ),
    "a number for the ball to certify": "mpat.evaluation.certified(net, (x, y), 0.1)",
    "an unknown method of certification": (
        "mpat.evaluation.certified(net, (x, y), ball, method='crwn')"
    ),
    "a layer without bounds": (
        "mpat.evaluation.certified(keras.Sequential([keras.Input((4,)), "
        "layers.LayerNormalization(name='norm'), layers.Dense(2)]), (x, y), ball)"
    ),
    "an activation without bounds": (
        "mpat.evaluation.certified(keras.Sequential([keras.Input((4,)), "
        "layers.Dense(3, 'gelu', name='hidden'), layers.Dense(2)]), (x, y), ball)"
    ),
    "half precision to certify": (
        "mpat.evaluation.certified(keras.Sequential([keras.Input((4,)), "
        "layers.Dense(2, dtype='mixed_float16', name='half')]), (x, y), ball)"
    ),
    "a classifier to certify whose layers cannot be read": (
        "mpat.evaluation.certified(toy.Opaque(), (x, y), ball)"
    ),
    "no example to certify": "mpat.evaluation.certified(net, (x, y), ball, limit=0)",
    "gray levels to certify": "mpat.evaluation.certified(net, (255 * x, y), ball)",
    "certificates of other examples": (
        "mpat.evaluation.contradictions([True], "
        "evaluate_robustness(net, (x, y), attack, verbose=False))"
    ),
    "a classifier for embeddings": "mpat.evaluation.embeddings(net, x)",
    "no batch of embeddings": "mpat.evaluation.embeddings(model, x, batch_size=0)",
    "gray levels for embeddings": "mpat.evaluation.embeddings(model, 255 * x)",
    "other features for embeddings": "mpat.evaluation.embeddings(model, x[:, :3])",
    "adaptive attacks on a model without a head": (
        "mpat.evaluation.prototype_attacks(toy.model(pgd), ball)"
    ),
    "adaptive attacks on a path": (
        "mpat.evaluation.prototype_attacks('robust.keras', ball)"
    ),
    "adaptive attacks in no ball": (
        "mpat.evaluation.prototype_attacks(toy.model(pgd, head=toy.head()), 0.1)"
    ),
    "adaptive attacks with a head that is not built": (
        "mpat.evaluation.prototype_attacks(net, ball, head=SoftTripleHead(2, "
        "name='head'))"
    ),
    "adaptive attacks with a head of other features": (
        "head = SoftTripleHead(2, name='head'); head(x); "
        "mpat.evaluation.prototype_attacks(net, ball, head=head)"
    ),
    "training images without labels": (
        "mpat.evaluation.prototype_attacks(toy.model(pgd, head=toy.head()), ball, "
        "train=x)"
    ),
    "training images of other features": (
        "mpat.evaluation.prototype_attacks(toy.model(pgd, head=toy.head()), ball, "
        "train=(x[:, :3], y))"
    ),
    "training labels of other classes": (
        "mpat.evaluation.prototype_attacks(toy.model(pgd, head=toy.head()), ball, "
        "train=(x, y + 1))"
    ),
    "twins without names": (
        "mpat.evaluation.prototype_attacks(toy.model(pgd, head=toy.head()), ball, "
        "train=(x, y), twins=[net])"
    ),
    "no steps of adaptive attacks": (
        "mpat.evaluation.prototype_attacks(model, ball, steps=0)"
    ),
    "prototypes of a model without a head": (
        "mpat.evaluation.prototype_modes(model, x, y, y)"
    ),
    "prototypes of a classifier": "mpat.evaluation.nearest_images(net, x, y)",
    "x and y of different length for prototypes": (
        "mpat.evaluation.nearest_images(toy.model(pgd, head=toy.head()), x, y[:9])"
    ),
    "labels of other classes for prototypes": (
        "mpat.evaluation.nearest_images(toy.model(pgd, head=toy.head()), x, y + 1)"
    ),
    "no nearest images": (
        "mpat.evaluation.nearest_images(toy.model(pgd, head=toy.head()), x, y, count=0)"
    ),
    "no draw of a control": (
        "mpat.evaluation.untrained_modes(toy.model(pgd, head=toy.head()), x, y, y, "
        "draws=0)"
    ),
    "fine labels that are names": (
        "mpat.evaluation.prototype_modes(toy.model(pgd, head=toy.head()), x, y, "
        "np.array(['cat', 'dog'])[y])"
    ),
    "fine labels below 0": (
        "mpat.evaluation.prototype_modes(toy.model(pgd, head=toy.head()), x, y, y - 1)"
    ),
    "too few fine labels": (
        "mpat.evaluation.prototype_modes(toy.model(pgd, head=toy.head()), x, y, y[:9])"
    ),
}
DETECTION = {
    "an unknown covariance": "mpat.evaluation.Detector('ful')",
    "a ridge below 0": "mpat.evaluation.Detector(ridge=-1e-3)",
    "a normalize that is no switch": "mpat.evaluation.Detector(normalize='l2')",
    "a score before fit": "mpat.evaluation.Detector().score(x)",
    "a threshold before fit": "mpat.evaluation.Detector().calibrate(x)",
    "a rejection before calibrate": "mpat.evaluation.Detector().fit(x, y).reject(x)",
    "a detector saved before fit": "mpat.evaluation.Detector().save('detector.npz')",
    "embeddings of one example": "mpat.evaluation.Detector().fit(x[0], y[:1])",
    "embeddings of a detector with NaN": (
        "mpat.evaluation.Detector().fit(x * np.nan, y)"
    ),
    "embeddings that are names": "mpat.evaluation.Detector().fit(x.astype(str), y)",
    "embeddings that are all equal": "mpat.evaluation.Detector().fit(0 * x, y)",
    "embeddings of another size": (
        "mpat.evaluation.Detector().fit(x, y).score(x[:, :3])"
    ),
    "no ridge for fewer examples than features": (
        "mpat.evaluation.Detector(ridge=0).fit(x[:4], y[:4])"
    ),
    "a class of one example": "mpat.evaluation.Detector().fit(x[:3], y[:3])",
    "labels of a detector below 0": "mpat.evaluation.Detector().fit(x, -y)",
    "labels of a detector that are too few": "mpat.evaluation.Detector().fit(x, y[:9])",
    "a share of 0 to reject": "mpat.evaluation.threshold_at(x[:, 0], fpr=0)",
    "a share in percent to reject": "mpat.evaluation.threshold_at(x[:, 0], fpr=5)",
    "scores of two columns": "mpat.evaluation.roc_curve(x, y)",
    "scores with NaN": "mpat.evaluation.roc_auc(np.nan * y, y)",
    "fewer flags than scores": "mpat.evaluation.roc_auc(x[:, 0], y[:9])",
    "flags that are classes": "mpat.evaluation.roc_auc(x[:, 0], 2 * y)",
    "scores of positives alone": "mpat.evaluation.roc_auc(x[:, 0], y >= 0)",
    "detection without confidence": "mpat.evaluation.evaluate_detection(y, y, y)",
    "detection of too few predictions": (
        "mpat.evaluation.evaluate_detection((y, x[:, 0]), (y[:9], x[:9, 0]), y)"
    ),
    "detection of logits": (
        "mpat.evaluation.evaluate_detection((x[:, 0], y), (x[:, 0], y), y)"
    ),
    "detection where all is right": (
        "mpat.evaluation.evaluate_detection((y, x[:, 0]), (y, x[:, 0]), y)"
    ),
    "detection where all is wrong": (
        "mpat.evaluation.evaluate_detection((1 - y, x[:, 0]), (y, x[:, 0]), y)"
    ),
    "a threshold that is no number": (
        "mpat.evaluation.evaluate_detection((y, x[:, 0]), (1 - y, x[:, 0]), y, "
        "threshold='5 %')"
    ),
    "an attack on a detector that is none": (
        "mpat.evaluation.DetectorAttack(ball, features=net, detector='gmm')"
    ),
    "an attack on a detector before fit": (
        "mpat.evaluation.DetectorAttack(ball, features=net, "
        "detector=mpat.evaluation.Detector())"
    ),
    "an attack on a detector of other embeddings": (
        "mpat.evaluation.DetectorAttack(ball, features=net, "
        "detector=mpat.evaluation.Detector().fit(x, y))"
    ),
    "an attack on a detector without steps": (
        "mpat.evaluation.DetectorAttack(ball, features=net, "
        "detector=mpat.evaluation.Detector().fit(x[:, :2], y), steps=0)"
    ),
    "two attacks for one": "mpat.evaluation.attacked(net, x, y, [attack, attack])",
    "labels of other classes to attack": (
        "mpat.evaluation.attacked(net, x, y + 1, attack)"
    ),
    "gray levels to attack": "mpat.evaluation.attacked(net, 255 * x, y, attack)",
    "an attack on a detector of a classifier": (
        "mpat.evaluation.DetectorAttack.against(net, "
        "mpat.evaluation.Detector().fit(x, y), ball)"
    ),
}
FIGURES = {
    "a curve of two parameters": (
        "mpat.evaluation.accuracy_curve(net, (x, y), attack, epsilon=[0.1], steps=[1])"
    ),
    "a curve of no parameter": "mpat.evaluation.accuracy_curve(net, (x, y), attack)",
    "a curve of one number": (
        "mpat.evaluation.accuracy_curve(net, (x, y), attack, epsilon=0.1)"
    ),
    "a curve that begins at epsilon 0": (
        "mpat.evaluation.accuracy_curve(net, (x, y), attack, epsilon=[0, 0.1])"
    ),
    "a curve with a radius twice": (
        "mpat.evaluation.accuracy_curve(net, (x, y), attack, epsilon=[0.2, '51/255'])"
    ),
    "a curve of steps of an attack without": (
        "mpat.evaluation.accuracy_curve(net, (x, y), attack, steps=[1, 10])"
    ),
    "a curve of half a restart": (
        "mpat.evaluation.accuracy_curve(net, (x, y), attacks.PGD(ball), restarts=[0.5])"
    ),
    "a curve of two attacks": (
        "mpat.evaluation.accuracy_curve(net, (x, y), [attack], epsilon=[0.1])"
    ),
    "a surface without a middle": (
        "mpat.evaluation.loss_surface(net, x, y, attack, points=20)"
    ),
    "a surface of one point": (
        "mpat.evaluation.loss_surface(net, x, y, attack, points=1)"
    ),
    "a surface of gray levels": (
        "mpat.evaluation.loss_surface(net, 255 * x, y, attack)"
    ),
}
LATENT = {
    "no attack for a latent set": "mpat.evaluation.latent_set(net, x, y, None)",
    "two attacks for a latent set": (
        "mpat.evaluation.latent_set(net, x, y, [attack, attack])"
    ),
    "a layer for a latent set that does not exist": (
        "mpat.evaluation.latent_set(net, x, y, attack, feature_layer='hiden')"
    ),
    "gray levels for a latent set": (
        "mpat.evaluation.latent_set(net, 255 * x, y, attack)"
    ),
    "other features for a latent set": (
        "mpat.evaluation.latent_set(net, x[:, :3], y, attack)"
    ),
    "labels of other classes for a latent set": (
        "mpat.evaluation.latent_set(net, x, y + 1, attack)"
    ),
    "too few labels for a latent set": (
        "mpat.evaluation.latent_set(net, x, y[:9], attack)"
    ),
    "too few fine labels for a latent set": (
        "mpat.evaluation.latent_set(net, x, y, attack, modes=y[:9])"
    ),
    "fine labels of a latent set that are names": (
        "mpat.evaluation.latent_set(net, x, y, attack, "
        "modes=np.array(['cat', 'dog'])[y])"
    ),
    "a seed below 0 for a latent set": (
        "mpat.evaluation.latent_set(net, x, y, attack, seed=-1)"
    ),
    "a latent set of a list of layers": (
        "mpat.evaluation.latent_set(net.layers, x, y, attack)"
    ),
    "a latent set of two lengths": (
        "mpat.evaluation.LatentSet(x, x[:9], y, y, y, num_classes=2)"
    ),
    "a latent set of other classes": (
        "mpat.evaluation.LatentSet(x, x, y, y, y + 1, num_classes=2)"
    ),
    "embeddings that are NaN": (
        "mpat.evaluation.knn_predict(x * np.nan, y, x, neighbors=3)"
    ),
    "maps for neighbors": (
        "mpat.evaluation.knn_predict(images, y, images, neighbors=3)"
    ),
    "embeddings of another layer": (
        "mpat.evaluation.knn_predict(x, y, x[:, :3], neighbors=3)"
    ),
    "more neighbors than references": "mpat.evaluation.knn_predict(x, y, x)",
    "no neighbors": "mpat.evaluation.knn_predict(x, y, x, neighbors=0)",
    "labels of neighbors that are names": (
        "mpat.evaluation.knn_predict(x, np.array(['cat', 'dog'])[y], x, neighbors=3)"
    ),
    "labels of queries below 0": (
        "mpat.evaluation.knn_accuracy(x, y, x, y - 1, neighbors=3)"
    ),
    "more to retrieve than there is": (
        "mpat.evaluation.retrieve(x, y, x, y, count=16)"
    ),
    "nothing to retrieve": "mpat.evaluation.retrieve(x, y, x, y, count=0)",
    "rows of queries beyond the gallery": (
        "mpat.evaluation.retrieve(x, y, x, y, exclude=np.arange(16) + 1)"
    ),
    "too few predictions for a ratio": (
        "mpat.evaluation.adversarial_ratio(x, y, x, y[:9])"
    ),
    "predictions of other classes for a ratio": (
        "mpat.evaluation.adversarial_ratio(x, y, x, y + 1, num_classes=2)"
    ),
    "classes of other adversarial examples": (
        "mpat.evaluation.adversarial_ratio(x, y, x[:9], y[:9])"
    ),
    "an unknown projection": "mpat.evaluation.project({'x': x}, method='t-sne')",
    "a projection of an array": "mpat.evaluation.project(x)",
    "projections of two layers": (
        "mpat.evaluation.project({'x': x, 'y': x[:, :3]}, method='pca')"
    ),
    "a projection of a single column": (
        "mpat.evaluation.project({'x': x[:, :1]}, method='pca')"
    ),
    "a perplexity above the number of points": (
        "mpat.evaluation.project({'x': x}, perplexity=16)"
    ),
    "a projection that is cut short": (
        "mpat.evaluation.project({'x': x}, iterations=100)"
    ),
    "confusion beyond the classes": "mpat.evaluation.confusion(y, y + 1, 2)",
    "accuracies of modes that are unknown": (
        "mpat.evaluation.mode_accuracies("
        "mpat.evaluation.LatentSet(x, x, y, y, y, num_classes=2))"
    ),
    "predictions for verdicts": "mpat.evaluation.group_accuracies(y, y, y == y)",
}
CARDS = {
    "a card of no result": (
        "mpat.evaluation.model_card([], model=net, threat_model=ball, dataset='toy')"
    ),
    "a card of a file of verdicts": (
        "mpat.evaluation.model_card('result.json', model=net, threat_model=ball, "
        "dataset='toy')"
    ),
    "a card of other attacks than it says": (
        "mpat.evaluation.model_card(evaluate_robustness(net, (x, y), attack), "
        "model=net, threat_model=Linf(0.2), dataset='toy')"
    ),
    "a card of another model": (
        "mpat.evaluation.model_card(evaluate_robustness(net, (x, y), attack), "
        "model=toy.net(), threat_model=ball, dataset='toy')"
    ),
    "an audit without flags": (
        "mpat.evaluation.model_card(evaluate_robustness(net, (x, y), attack), "
        "model=net, threat_model=ball, dataset='toy', audit={'passed': True})"
    ),
    "a verification of other weights": (
        "mpat.evaluation.model_card(evaluate_robustness(net, (x, y), attack), "
        "model=net, threat_model=ball, dataset='toy', "
        "verification=mpat.evaluation.Verification('other', ours=y == 0, theirs=y == 0)"
        ".to_dict() | {'sha256': {'weights': 'ab'}})"
    ),
    "a sentence for an audit": (
        "mpat.evaluation.model_card(evaluate_robustness(net, (x, y), attack), "
        "model=net, threat_model=ball, dataset='toy', audit='passed')"
    ),
    "half a verification": (
        "mpat.evaluation.model_card(evaluate_robustness(net, (x, y), attack), "
        "model=net, threat_model=ball, dataset='toy', verification={'n': 16})"
    ),
    "verdicts of different examples": (
        "mpat.evaluation.Verification('other', ours=y == 0, theirs=y[:9] == 0)"
    ),
    "adversarial examples that were not kept": (
        "evaluate_robustness(net, (x, y), attack).evidence.save_examples('a.npz')"
    ),
}
DATASETS = {
    "an unknown data set": "datasets.load('mnits', 'train')",
    "a data set in another spelling": "datasets.info('CIFAR-10')",
    "a data set that is no text": "datasets.info(10)",
    "an unknown split": "datasets.load('digits', 'validate')",
    "a batch size of 0 for a stream": "datasets.load('digits', 'train', batch_size=0)",
    "a validation share above 1": "datasets.arrays('digits', 'train', validation=1.5)",
    "an augmentation by name": "datasets.load('digits', 'train', augment='flip')",
    "a turn below zero degrees": "datasets.RandomAffine(rotation=-10)",
    "a stretch that is no number": "datasets.RandomAffine(stretch='0.1')",
    "an affine shift of half a pixel": "datasets.RandomAffine(shift=0.5)",
    "a contrast that dulls": "datasets.RandomAffine(contrast=0.5)",
    "own arrays of different length": "datasets.from_arrays(images, y[:9])",
    "own arrays in gray levels": "datasets.from_arrays(images + 255, y)",
    "own arrays with NaN": "datasets.from_arrays(images * np.nan, y)",
    "own labels, one-hot": "datasets.from_arrays(images, np.eye(2)[y])",
    "own labels that are names": (
        "datasets.from_arrays(images, np.array(['cat', 'dog'])[y])"
    ),
    "own labels below 0": "datasets.from_arrays(images, -y)",
    "own bounds out of order": "datasets.from_arrays(images, y, bounds=(1, 0))",
    "own bounds that are one number": "datasets.from_arrays(images, y, bounds=255)",
    "a class map with a gap": (
        "datasets.load('digits', 'train', label_map=lambda d: 2 * (d // 5))"
    ),
    "a share of a stream without numbers": (
        "datasets.Share(iter([(images, y)]), index=0, count=2)"
    ),
    "a share that there is not": "datasets.Share([(images, y)], index=2, count=2)",
    "a data set twice": "datasets.register(datasets.info('digits'))",
}
COMMANDS = {
    "an unknown data set: --dataset": "settings.resolve({'dataset': 'mnits'})",
    "an unknown strategy: --strategy": "settings.resolve({'strategy': 'pdg'})",
    "an unknown head: --head": "settings.resolve({'head': 'softtriple'})",
    "an unknown network: --model": "settings.resolve({'model': 'resnet'})",
    "an unknown recipe: --preset": "settings.resolve({'preset': 'mpat_fast'})",
    "an unknown optimizer: --optimizer": "settings.resolve({'optimizer': 'adma'})",
    "a flag without effect": "settings.resolve({'strategy': 'pgd', 'replays': 8})",
    "merging without a head: --merge_threshold": (
        "settings.resolve({'head': 'none', 'merge_threshold': 0.2})"
    ),
    "an epsilon that is no number: --epsilon": "train.length('eight')",
    "an unknown attack: --attacks": "evaluate.suite(0.1, names=['pdg10'])",
}
