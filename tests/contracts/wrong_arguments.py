"""Wrong arguments, by the part that takes them: the mistake in words, and its code."""

THREAT_MODELS = {
    "epsilon below 0": "Linf(-0.1)",
    "epsilon that is NaN": "L2(float('nan'))",
    "epsilon in gray levels on inputs in [0, 1]": "Linf(8)",
    "epsilon that is no fraction": "Linf('abc')",
    "epsilon that is no number": "Linf(None)",
    "epsilon of booleans": "Linf(True)",
    "no epsilon at all": "Linf([])",
    "one epsilon per feature, one below 0": "Linf([0.1, -0.1])",
    "bounds out of order": "Linf(0.1, bounds=(1, 0))",
    "bounds that are one number": "Linf(0.1, bounds=255)",
    "bounds that are three numbers": "Linf(0.1, bounds=(0, 1, 2))",
    "bounds with NaN": "Linf(0.1, bounds=(0, float('nan')))",
    "infinite bounds": "Linf('8/255', bounds=(0, float('inf')))",
    "bounds that are text": "Linf(0.1, bounds='unit')",
    "mutable that is not boolean": "Linf(0.1, mutable=[0.5, 2, 3, 4])",
    "L2 epsilon above range * sqrt(d)": "attacks.PGD(L2(8))(net, x, y)",
    "one epsilon per feature, of too many features": (
        "attacks.PGD(Linf([0.1] * 5))(net, x, y)"
    ),
    "a mask of too many features": (
        "attacks.FGSM(Linf(0.1, mutable=[True] * 5))(net, x, y)"
    ),
    "bounds of too many features": (
        "attacks.FGSM(Linf(0.1, bounds=([0] * 5, [1] * 5)))(net, x, y)"
    ),
}
ATTACKS = {
    "a number for a threat model": "attacks.PGD(0.3)",
    "text for a threat model": "attacks.FGSM('8/255')",
    "a class for a threat model": "attacks.RandomNoise(Linf)",
    "step_size of 0": "attacks.PGD(ball, step_size=0)",
    "step_size below 0": "attacks.MIM(ball, step_size=-2)",
    "step_size that is NaN": "attacks.CW(ball, step_size=float('nan'))",
    "step_size that is no fraction": "attacks.BIM(ball, step_size='abc')",
    "step_size that is no number": "attacks.BIM(ball, step_size=[None])",
    "no steps": "attacks.PGD(ball, steps=0)",
    "a fraction of a step": "attacks.BIM(ball, steps=2.5)",
    "no restarts": "attacks.PGD(ball, restarts=0)",
    "restarts that would all be the same": (
        "attacks.PGD(ball, restarts=5, random_start=False)"
    ),
    "kappa below 0": "attacks.CW(ball, kappa=-1)",
    "kappa that is text": "attacks.CW(ball, kappa='50')",
    "momentum below 0": "attacks.MIM(ball, momentum=-1)",
    "momentum that is text": "attacks.MIM(ball, momentum='1')",
    "no steps of APGD": "attacks.APGD(ball, steps=0)",
    "no restarts of APGD": "attacks.APGD(ball, restarts=0)",
    "target_classes of 0": "attacks.APGD(ball, target_classes=0)",
    "target_classes that is an unknown word": (
        "attacks.APGD(ball, target_classes='most')"
    ),
    "momentum of APGD that is 0": "attacks.APGD(ball, momentum=0)",
    "rho above 1": "attacks.APGD(ball, rho=75)",
    "no forward pass to average": "attacks.APGD(ball, eot_iterations=0)",
    "compat that is text": "attacks.APGD(ball, compat='yes')",
    "an objective of APGD by name": "attacks.APGD(ball, objective='dlr')",
    "a number for the ball of APGD": "attacks.APGD(0.3)",
    "DLR of two classes": (
        "attacks.APGD(ball, objective=mpat.objectives.DLR())(net, x, y)"
    ),
    "DLR toward one of two classes": (
        "attacks.APGD(ball, objective=mpat.objectives.DLR(), "
        "target_classes=9)(net, x, y)"
    ),
    "an objective by name": "attacks.PGD(ball, objective='margin')",
    "a class for the ball of Square": "attacks.Square(Linf)",
    "no queries": "attacks.Square(ball, queries=0)",
    "near misses of no attack": "attacks.NearMiss(ball)",
    "near misses by percent": "attacks.NearMiss(attack, within=20)",
    "half a query": "attacks.Square(ball, queries=0.5)",
    "no restarts of Square": "attacks.Square(ball, restarts=0)",
    "an initial_share of 0": "attacks.Square(ball, initial_share=0)",
    "an initial_share above 1": "attacks.Square(ball, initial_share=80)",
    "an initial_share that is text": "attacks.Square(ball, initial_share='0.8')",
    "a rescale_schedule that is a number": (
        "attacks.Square(ball, rescale_schedule=10000)"
    ),
    "a target that is a class number": "attacks.PGD(ball, target=3)",
    "a target rule that is a class": "attacks.FGSM(ball, target=attacks.LeastLikely)",
    "no steps of FAB": "attacks.FAB(ball, steps=0)",
    "no restarts of FAB": "attacks.FAB(ball, restarts=0)",
    "FAB for a number": "attacks.FAB(0.3)",
    "AutoAttack of no version": "attacks.AutoAttack(ball, version='fast')",
    "ODI steps below 0": "attacks.APGD(ball, odi_steps=-1)",
    "no steps of MultiTargeted": "attacks.MultiTargeted(ball, steps=0)",
    "no restarts of MultiTargeted": "attacks.MultiTargeted(ball, restarts=0)",
    "targets of MultiTargeted by another word": (
        "attacks.MultiTargeted(ball, target_classes='top')"
    ),
    "half an ODI step": "attacks.MultiTargeted(ball, odi_steps=0.5)",
    "a number for the ball of MultiTargeted": "attacks.MultiTargeted(0.3)",
    "one step for both parts of the margin": (
        "attacks.MarginDecomposition(ball, steps=1)"
    ),
    "no pair of runs": "attacks.MarginDecomposition(ball, restarts=0)",
    "a class for the ball of MarginDecomposition": "attacks.MarginDecomposition(L2)",
    "no cycles": "attacks.ConstraintRelaxation(ball, cycles=0)",
    "a cycle that has no time to leave the ball": (
        "attacks.ConstraintRelaxation(ball, steps=5)"
    ),
    "an enlargement below 0": "attacks.ConstraintRelaxation(ball, enlargement=-1)",
    "an enlargement that is text": (
        "attacks.ConstraintRelaxation(ball, enlargement='1')"
    ),
    "no restarts of ConstraintRelaxation": (
        "attacks.ConstraintRelaxation(ball, restarts=0)"
    ),
    "text for the ball of ConstraintRelaxation": (
        "attacks.ConstraintRelaxation('8/255')"
    ),
    "no steps of FMN": "attacks.FMN(ball, steps=0)",
    "no restarts of FMN": "attacks.FMN(ball, restarts=0)",
    "targets of FMN that are a list": "attacks.FMN(ball, target_classes=[1, 2])",
    "a number for the ball of FMN": "attacks.FMN(0.3)",
    "no targets": "attacks.FAB(ball, target_classes=0)",
    "targets by another word": "attacks.FAB(ball, target_classes='most')",
    "a weight of the clean point above 1": "attacks.FAB(ball, alpha_max=10)",
    "steps that stop before the boundary": "attacks.FAB(ball, overshoot=0.9)",
    "a step back beyond x": "attacks.FAB(ball, backward=-0.1)",
    "a step back that is text": "attacks.FAB(ball, backward='0.9')",
    "CWL2 in an Linf ball": "attacks.CWL2(Linf(0.1))",
    "no steps of CWL2": "attacks.CWL2(L2(0.1), steps=0)",
    "no constants of CWL2": "attacks.CWL2(L2(0.1), binary_search_steps=0)",
    "a learning_rate of 0": "attacks.CWL2(L2(0.1), learning_rate=0)",
    "an initial_const below 0": "attacks.CWL2(L2(0.1), initial_const=-1)",
    "gray levels where the closest is asked for": (
        "attacks.FAB(ball).closest(net, 255 * x, y)"
    ),
    "transfer of no attack": "attacks.Transfer('pgd', surrogate=net)",
    "transfer from no model": "attacks.Transfer(attack, surrogate=None)",
    "transfer from a file that is not there": (
        "attacks.Transfer(attack, surrogate='nowhere.keras')"
    ),
    "transfer from a file that holds no model": (
        "attacks.Transfer(attack, surrogate='README.md')"
    ),
    "transfer from a net that is not built": (
        "attacks.Transfer(attack, surrogate=keras.Sequential([layers.Dense(2)], "
        "name='raw'))"
    ),
    "transfer from a net for other inputs": (
        "attacks.Transfer(attack, surrogate=vision)(net, x, y)"
    ),
    "transfer from a net of other classes": (
        "attacks.Transfer(attack, surrogate=keras.Sequential([keras.Input((4,)), "
        "layers.Dense(3)], name='three'))(net, x, y)"
    ),
    "transfer from a net that ends in softmax": (
        "attacks.Transfer(attack, surrogate=keras.Sequential([net, "
        "layers.Softmax()], name='soft'))(net, x, y)"
    ),
    "a latent attack on no model": (
        "attacks.LatentAttack(ball, features=x, objective=attacks.TowardPrototype())"
    ),
    "a latent attack with an objective of logits": (
        "attacks.LatentAttack(ball, features=net, "
        "objective=mpat.objectives.CrossEntropy())"
    ),
    "a latent attack with a head that is not built": (
        "attacks.LatentAttack(ball, features=net, head=SoftTripleHead(2), "
        "objective=attacks.SimilarityMargin())"
    ),
    "a latent attack without the head that it needs": (
        "attacks.LatentAttack(ball, features=net, objective=attacks.SimilarityMargin())"
    ),
    "no steps of a latent attack": (
        "attacks.LatentAttack(ball, features=net, head=modes, steps=0, "
        "objective=attacks.SimilarityMargin())"
    ),
    "margin_steps below 0": (
        "attacks.LatentAttack(ball, features=net, head=modes, margin_steps=-1, "
        "objective=attacks.SimilarityMargin())"
    ),
    "no prototypes to aim at": "attacks.TowardPrototype(0)",
    "with_logits that is a number": "attacks.SimilarityMargin(with_logits=2)",
    "no neighbors to match": "attacks.FeatureMatching(x, y, neighbors=0)",
    "embeddings without their labels": "attacks.FeatureMatching(x, y[:9])",
    "embeddings of one class": "attacks.FeatureMatching(x, 0 * y)",
    "a factor of 0 on logits": (
        "mpat.objectives.Scaled(mpat.objectives.CrossEntropy(), 0)"
    ),
    "scaled logits of no objective": "mpat.objectives.Scaled('ce', 0.1)",
    "the worst case of nothing": "attacks.WorstCase([])",
    "the worst case of names": "attacks.WorstCase(['pgd'])",
    "the worst case of one attack": "attacks.WorstCase(attacks.PGD(ball))",
    "a net that ends in softmax": (
        "attacks.PGD(ball)(lambda z: keras.ops.softmax(net(z)), x, y)"
    ),
    "a seed below 0": "attacks.PGD(ball)(net, x, y, seed=-1)",
    "a seed that is text": "attacks.PGD(ball)(net, x, y, seed='0')",
    "x and y of different length in an attack": "attacks.PGD(ball)(net, x, y[:9])",
    "labels of other classes in an attack": "attacks.PGD(ball)(net, x, y + 5)",
    "gray levels in an attack": "attacks.PGD(ball)(net, 255 * x, y)",
    "NaN in an attack": "attacks.PGD(ball)(net, x * np.nan, y)",
}
STRATEGIES = {
    "a number for the ball of PGD": "training.PGDTraining(0.3)",
    "a number for the ball of Free": "training.FreeTraining(0.3)",
    "a number for the ball of Fast": "training.FastTraining(0.3)",
    "an attack that is a class": "training.AdversarialTraining(attacks.PGD)",
    "an attack by name": "training.AdversarialTraining('pgd')",
    "no steps in training": "training.PGDTraining(ball, steps=0)",
    "step_size of 0 in training": "training.FastTraining(ball, step_size=0)",
    "no replays": "training.FreeTraining(ball, replays=0)",
    "no rows for Free's perturbation": "training.FreeTraining(ball, batch_size=0)",
    "an unknown norm_mode": "training.PGDTraining(ball, norm_mode='batch_stat')",
    "an attack in float16": "training.PGDTraining(ball, attack_dtype='float16')",
    "an attack in bfloat16 for Free": (
        "training.FreeTraining(ball, attack_dtype='bfloat16')"
    ),
    "an attack in bfloat16 with the statistics of a batch": (
        "training.FastTraining(ball, attack_dtype='bfloat16', norm_mode='batch_stats')"
    ),
    "a norm_mode for Free": "training.FreeTraining(ball, norm_mode='train')",
    "a pairing_weight below 0": (
        "training.LogitPairingTraining(ball, pairing_weight=-1)"
    ),
    "an unknown reduction of LogitPairingTraining": (
        "training.LogitPairingTraining(ball, reduction='sum')"
    ),
    "a joint_forward of logit pairing that is no boolean": (
        "training.LogitPairingTraining(ball, joint_forward=2)"
    ),
    "a number for the ball of TRADES": "training.TRADESTraining(0.3)",
    "a beta below 0": "training.TRADESTraining(ball, beta=-6)",
    "a beta that is text": "training.TRADESTraining(ball, beta='6')",
    "no steps of TRADES": "training.TRADESTraining(ball, steps=0)",
    "step_size below 0 in TRADES": "training.TRADESTraining(ball, step_size=-0.1)",
    "a number for the ball of feature scattering": (
        "training.FeatureScatteringTraining(0.3)"
    ),
    "half a step of feature scattering": (
        "training.FeatureScatteringTraining(ball, steps=0.5)"
    ),
    "step_size of 0 in feature scattering": (
        "training.FeatureScatteringTraining(ball, step_size=0)"
    ),
    "label_smoothing of 1": (
        "training.FeatureScatteringTraining(ball, label_smoothing=1)"
    ),
    "label_smoothing that is text": (
        "training.FeatureScatteringTraining(ball, label_smoothing='0.5')"
    ),
    "label_smoothing of half with two classes": (
        "toy.model(training.FeatureScatteringTraining(ball, label_smoothing=0.5))"
    ),
    "a number for the ball of N-FGSM": "training.NFGSMTraining(0.3)",
    "no noise in N-FGSM": "training.NFGSMTraining(ball, noise=0)",
    "noise of N-FGSM that is larger than the bounds": (
        "training.NFGSMTraining(ball, noise=50)"
    ),
    "step_size below 0 in N-FGSM": "training.NFGSMTraining(ball, step_size=-0.1)",
    "a bound_weight below 0": "training.MTLIBPTraining(ball, bound_weight=-1)",
    "no steps beside bounds": "training.MTLIBPTraining(ball, steps=0)",
    "bounds of a net with batch-free normalization": (
        "toy.model(training.MTLIBPTraining(ball), classifier=keras.Sequential("
        "[keras.Input((4,)), keras.layers.LayerNormalization(name='norm'), "
        "keras.layers.Dense(2)]))"
    ),
    "a ball for AWP": "training.AWPTraining(ball)",
    "AWP of AWP": (
        "training.AWPTraining(training.AWPTraining(training.StandardTraining()))"
    ),
    "a gamma of 0 for AWP": (
        "training.AWPTraining(training.StandardTraining(), gamma=0)"
    ),
    "smoothed labels of share 1": "mpat.losses.SmoothedCrossentropy(1.0)",
    "an unknown ascent of Free": "training.FreeTraining(ball, ascent='dml')",
    "a warm-up below 0": "training.PGDTraining(ball, warmup_epochs=-1)",
    "half an epoch without attack": "training.PGDTraining(ball, clean_epochs=0.5)",
    "an unknown game of ATLD": "training.ATLDTraining(ball, game='wgan')",
    "one width of ATLD's discriminator": "training.ATLDTraining(ball, widths=80)",
    "no update of the discriminator": "training.ATLDTraining(ball, updates=0)",
    "a learning rate of the discriminator of 0": (
        "training.ATLDTraining(ball, learning_rate=0)"
    ),
    "a discriminator without blocks": "mpat.layers.Discriminator(2, blocks=0)",
    "a discriminator of one class": "mpat.layers.Discriminator(1)",
    "inference of ATLD around a plain classifier": (
        "models.InferenceManifoldTransformation(net)"
    ),
    "inference of ATLD around a model without a discriminator": (
        "models.InferenceManifoldTransformation(model)"
    ),
}
HEADS = {
    "no prototypes": "SoftTripleHead(2, prototypes_per_class=0)",
    "prototypes for other classes": "SoftTripleHead(2, prototypes_per_class=[3, 4, 5])",
    "half a prototype": "SoftTripleHead(2, prototypes_per_class=2.5)",
    "prototypes that are text": "SoftTripleHead(2, prototypes_per_class='10')",
    "no classes": "SoftTripleHead(0)",
    "one class": "SoftTripleHead(1)",
    "gamma of 0": "SoftTripleHead(2, gamma=0)",
    "gamma that is text": "SoftTripleHead(2, gamma='small')",
    "scale below 0": "SoftTripleHead(2, scale=-20)",
    "margin below 0": "SoftTripleHead(2, margin=-0.1)",
    "tau that is NaN": "SoftTripleHead(2, tau=float('nan'))",
    "tau that is text": "SoftTripleHead(2, tau='0.2')",
    "an unknown initializer": "SoftTripleHead(2, initializer='soft_tripel')",
    "embeddings that are maps": "SoftTripleHead(2)(images)",
    "a multiplicity that is a number": "SoftTripleHead(2, multiplicity=3)",
    "prototypes of a head that is not built": (
        "SoftTripleHead(2, name='head').compact()"
    ),
    "nearest prototypes of a head that is not built": (
        "SoftTripleHead(2, name='head').assign(x)"
    ),
    "embeddings of other features": "modes.assign(x[:, :3])",
    "one embedding": "modes.assign(x[0])",
    "embeddings with NaN": "modes.assign(x * np.nan)",
    "labels for fewer embeddings": "modes.assign(x, y[:9])",
    "labels of other classes for embeddings": "modes.assign(x, y + 1)",
    "scale of 0 in the loss": "losses.SoftTriple(scale=0)",
    "a clean_dml that is no boolean": "SoftTripleHead(2, clean_dml='yes')",
    "a step_multiplier of 0": "SoftTripleHead(2, step_multiplier=0)",
    "margin of 0 for triplets": "mpat.TripletHead(margin=0)",
    "a margin above every angular distance": "mpat.TripletHead(margin=2)",
    "an unknown anchor": "mpat.TripletHead(anchor='adversary')",
    "unknown negatives": "mpat.TripletHead(negatives='hard')",
    "a pool of no batch": "mpat.TripletHead(negative_pool=0)",
    "batches of no image for the pool": "mpat.TripletHead(batch_size=0)",
    "an unknown norm of triplets": "mpat.TripletHead(norm='l2')",
    "norm_weight below 0": "mpat.TripletHead(norm_weight=-1)",
    "joint_forward that is text": "mpat.TripletHead(joint_forward='yes')",
    "a seed of triplets below 0": "mpat.TripletHead(seed=-1)",
    "l2_weight below 0": "mpat.NPairHead(l2_weight=-1)",
    "normalize that is a number": "mpat.NPairHead(normalize=2)",
    "one_pair_per_class that is text": "mpat.NPairHead(one_pair_per_class='yes')",
    "proxies of one class": "mpat.ProxyNCAHead(1)",
    "scale of 0 for proxies": "mpat.ProxyNCAHead(2, scale=0)",
    "include_positive that is text": ("mpat.ProxyNCAHead(2, include_positive='yes')"),
    "an unknown initializer of proxies": (
        "mpat.ProxyAnchorHead(2, initializer='proxy_nca')"
    ),
    "a negative margin of Proxy-Anchor": "mpat.ProxyAnchorHead(2, margin=-0.1)",
    "maps for proxies": "mpat.ProxyAnchorHead(2)(images)",
    "include_positive in the loss that is a number": (
        "losses.ProxyNCA(include_positive=1)"
    ),
    "scale of 0 in Proxy-Anchor's loss": "losses.ProxyAnchor(scale=0)",
    "an unknown form of L_norm": (
        "losses.angular_triplet.feature_norms(x, x, x, form='s4')"
    ),
    "an unknown reduction of logit pairing": (
        "losses.logit_pairing.logit_pairing(x, x, reduction='sum')"
    ),
    "regularization of 0 in Sinkhorn": (
        "losses.sinkhorn.sinkhorn(x, regularization=0)"
    ),
    "no iterations of Sinkhorn": "losses.sinkhorn.sinkhorn(x, iterations=0)",
    "a tolerance of Sinkhorn below 0": "losses.sinkhorn.sinkhorn(x, tolerance=-1)",
    "smoothing below 0": "losses.label_smoothing.smoothed(y, 2, -0.1)",
    "smoothing beyond what two classes bear": (
        "losses.label_smoothing.smoothing_term(y, x[:, :2], 0.5)"
    ),
}
CALLBACKS = {
    "a threshold below 0": "callbacks.PrototypeMerging(-0.1)",
    "a threshold above 2": "callbacks.PrototypeMerging(threshold=11.5)",
    "a threshold that is NaN": "callbacks.PrototypeMerging(float('nan'))",
    "a threshold that is text": "callbacks.PrototypeMerging('0.2')",
    "merging before the first epoch": "callbacks.PrototypeMerging(start_epoch=-1)",
    "merging from half an epoch": "callbacks.PrototypeMerging(start_epoch=0.5)",
    "a period of no epochs": "callbacks.PrototypeMerging(period=0)",
    "classes without prototypes": "callbacks.PrototypeMerging(min_prototypes=0)",
    "no merging at all": "callbacks.PrototypeMerging(max_merges_per_epoch=0)",
    "a guard that is no boolean": "callbacks.PrototypeMerging(guard='warn')",
    "merging without a head": (
        "model.fit(x, y, callbacks=[callbacks.PrototypeMerging()])"
    ),
    "no state to keep": "callbacks.FullState('state', keep=0)",
    "a state after no batch": "callbacks.FullState('state', every=0)",
    "a callback beside FullState that is no list": (
        "callbacks.FullState('state', of=callbacks.PrototypeMerging())"
    ),
    "a callback that FullState shall keep and fit does not have": (
        "model.fit(x, y, callbacks=[callbacks.FullState('state', "
        "of=[keras.callbacks.EarlyStopping()])])"
    ),
    "a callback behind FullState": (
        "model.fit(x, y, callbacks=[callbacks.FullState('state'), "
        "keras.callbacks.EarlyStopping()])"
    ),
}
MODELS = {
    "a classifier that is a class": "AdversarialModel(keras.Sequential, strategy=pgd)",
    "a classifier that is a function": "AdversarialModel(lambda z: z, strategy=pgd)",
    "a classifier by path": "AdversarialModel('robust.keras', strategy=pgd)",
    "an unbuilt Sequential": (
        "AdversarialModel(keras.Sequential([layers.Dense(2)], name='net'), "
        "strategy=pgd)"
    ),
    "one logit": (
        "AdversarialModel(keras.Sequential([keras.Input((4,)), layers.Dense(1)], "
        "name='net'), strategy=pgd)"
    ),
    "multi-label outputs": (
        "AdversarialModel(keras.Sequential([keras.Input((4,)), layers.Dense(2, "
        "'sigmoid', name='labels')]), strategy=pgd)"
    ),
    "a map of outputs": (
        "AdversarialModel(keras.Sequential([keras.Input((4, 4)), "
        "layers.Dense(2)]), strategy=pgd)"
    ),
    "two outputs": (
        "z = keras.Input((4,)); AdversarialModel(keras.Model(z, "
        "[layers.Dense(2)(z), layers.Dense(2)(z)], name='net'), strategy=pgd)"
    ),
    "a model in a model": "AdversarialModel(model, strategy=pgd)",
    "a softmax in a Lambda": (
        "AdversarialModel(keras.Sequential([net, layers.Lambda(keras.ops.softmax)]), "
        "strategy=pgd)"
    ),
    "an embedding of a subclassed model that shows none": (
        "AdversarialModel(toy.Opaque(), strategy=pgd, regularizer='features', "
        "regularizer_weight=0.1)"
    ),
    "a strategy that is a class": (
        "AdversarialModel(net, strategy=training.PGDTraining)"
    ),
    "a strategy by name": "AdversarialModel(net, strategy='pgd')",
    "an attack for a strategy": "AdversarialModel(net, strategy=attacks.PGD(ball))",
    "no strategy": "AdversarialModel(net, strategy=None)",
    "a head that is a class": (
        "AdversarialModel(net, strategy=pgd, head=SoftTripleHead)"
    ),
    "a head by name": "AdversarialModel(net, strategy=pgd, head='soft_triple')",
    "a head that is a layer": (
        "AdversarialModel(net, strategy=pgd, head=layers.Dense(2, name='last'))"
    ),
    "a head for other classes": (
        "AdversarialModel(net, strategy=pgd, head=SoftTripleHead(10))"
    ),
    "head_weight below 0": "AdversarialModel(net, strategy=pgd, head_weight=-0.5)",
    "head_weight that is NaN": (
        "AdversarialModel(net, strategy=pgd, head_weight=float('nan'))"
    ),
    "head_weight that is infinite": (
        "AdversarialModel(net, strategy=pgd, head_weight=float('inf'))"
    ),
    "head_weight that is text": (
        "AdversarialModel(net, strategy=pgd, head_weight='0.5')"
    ),
    "head_weight that is None": "AdversarialModel(net, strategy=pgd, head_weight=None)",
    "an unknown regularizer": (
        "AdversarialModel(net, strategy=pgd, regularizer='weight', "
        "regularizer_weight=0.1)"
    ),
    "a regularizer without effect": (
        "AdversarialModel(net, strategy=pgd, regularizer_weight=0.1)"
    ),
    "a validation attack that is a class": (
        "AdversarialModel(net, strategy=pgd, validation_attack=attacks.PGD)"
    ),
    "a validation attack by name": (
        "AdversarialModel(net, strategy=pgd, validation_attack='pgd')"
    ),
    "a feature_layer that does not exist": (
        "AdversarialModel(toy.named(), strategy=pgd, head=SoftTripleHead(2), "
        "feature_layer='hiden')"
    ),
    "a feature_layer that is a number": (
        "AdversarialModel(toy.named(), strategy=pgd, head=SoftTripleHead(2), "
        "feature_layer=-2)"
    ),
    "a feature_layer without effect": (
        "AdversarialModel(net, strategy=pgd, feature_layer='hidden')"
    ),
    "an unknown predict_from": (
        "AdversarialModel(net, strategy=pgd, predict_from='soft_triple')"
    ),
    "predictions of a head that is not there": (
        "AdversarialModel(net, strategy=pgd, predict_from='softtriple')"
    ),
    "predictions of a head that compares pairs": (
        "AdversarialModel(net, strategy=pgd, head=mpat.TripletHead(), "
        "predict_from='head')"
    ),
    "replace_head with a head that compares pairs": (
        "models.replace_head(net, mpat.NPairHead())"
    ),
    "one class for a head that compares pairs": (
        "toy.model(pgd, head=mpat.TripletHead(name='triplet')).fit(x, 0 * y)"
    ),
    "a seed that is no integer": "AdversarialModel(net, strategy=pgd, seed=0.5)",
    "replace_head with a class": "models.replace_head(net, SoftTripleHead)",
    "replace_head on a path": "models.replace_head('robust.keras', SoftTripleHead(2))",
    "replace_head with a name": "models.replace_head(net, 'soft_triple')",
    "as_logits of a path": "models.as_logits('robust.keras')",
    "a net of one class": "models.lenet(1)",
    "a net of half a class": "models.lenet(2.5)",
    "a net for images without channels": "models.lenet(10, input_shape=(28, 28))",
    "small images": "models.small_cnn(10, input_shape=(8, 8, 1))",
    "four filters for two convolutions": "models.lenet(filters=(16, 32, 32, 64))",
    "two filters for four convolutions": "models.medium_cnn(filters=(16, 32))",
    "weights for bounds of a net on a path": "models.ibp_initialize('robust.keras')",
    "a std of 0": "models.lenet(10, std=0.0)",
    "no channels: resnet18": "models.resnet18(width=-1)",
    "no channels: resnet50": "models.resnet50(width=0)",
    "dropout above 1": "models.wide_resnet(dropout=2.0)",
    "dropout that is text": "models.wide_resnet(dropout='0.3')",
    "a metric of other classes": (
        "metrics.WorstClassAccuracy(3).update_state([0, 9], np.eye(10)[[0, 9]])"
    ),
}
COMPILE = {
    "a loss by name": "model.compile('adam', loss='sparse_categorical_crossentropy')",
    "a loss of probabilities": (
        "model.compile('adam', loss=keras.losses.SparseCategoricalCrossentropy())"
    ),
    "a loss of probabilities, one-hot": (
        "model.compile('adam', loss=keras.losses.CategoricalCrossentropy())"
    ),
    "a loss function of probabilities": (
        "model.compile('adam', loss=keras.losses.sparse_categorical_crossentropy)"
    ),
    "a loss for one logit": (
        "model.compile('adam', loss=keras.losses.BinaryCrossentropy(from_logits=True))"
    ),
    "a divergence of probabilities": (
        "model.compile('adam', loss=keras.losses.KLDivergence())"
    ),
    "a divergence by its short name": "model.compile('adam', loss='kld')",
    "a loss of counts": "model.compile('adam', loss='poisson')",
    "a loss of counts, an instance": (
        "model.compile('adam', loss=keras.losses.Poisson())"
    ),
    "an unknown loss": "model.compile('adam', loss='crossentropy_loss')",
    "Free with averaged weights": (
        "free.compile(keras.optimizers.SGD(0.1, use_ema=True))"
    ),
    "Free with gradient accumulation": (
        "free.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))"
    ),
    "an unknown optimizer": "model.compile('adma')",
}

TUNING = {
    "an unknown hyper-parameter": "mpat.tuning.SearchSpace(headweight=0.5)",
    "a list of nothing to search": "mpat.tuning.SearchSpace(head_weight=[])",
    "a value twice in a list to search": (
        "mpat.tuning.SearchSpace(head_weight=[0.1, 0.1])"
    ),
    "no prototype in a space": "mpat.tuning.SearchSpace(prototypes_per_class=0)",
    "prototypes per class of a space with a zero": (
        "mpat.tuning.SearchSpace(prototypes_per_class='3/0')"
    ),
    "a negative lambda_1 in a space": "mpat.tuning.SearchSpace(head_weight=-1)",
    "a range whose ends are swapped": "mpat.tuning.Range(2, 1)",
    "a logarithmic range from 0": "mpat.tuning.Range(0, 1, 'log')",
    "an unknown sampling": "mpat.tuning.Range(0.1, 1, 'logarithmic')",
    "a range without an end": "mpat.tuning.SearchSpace(head_weight={'low': 0.1})",
    "a range of names": "mpat.tuning.SearchSpace(head=mpat.tuning.Range(1, 2))",
    "a range per class of one number": (
        "mpat.tuning.SearchSpace(tau=mpat.tuning.Range(0.1, 1, per_class=True))"
    ),
    "steps to search with a strategy without": (
        "mpat.tuning.SearchSpace(steps=[3, 7], strategy='fast')"
    ),
    "lambda_1 to search without a head": (
        "mpat.tuning.SearchSpace(head_weight=[0.1, 1], head='none')"
    ),
    "text that is no range": "mpat.tuning.parse('head_weight', '0.1;2')",
    "a builder that no process can be given": (
        "mpat.tuning.RobustHyperModel(lambda: net, (x, y), (x, y), ball)"
    ),
    "a builder that is no function": (
        "mpat.tuning.RobustHyperModel('net', (x, y), (x, y), ball)"
    ),
    "validation data of a search without labels": (
        "mpat.tuning.RobustHyperModel(toy.named, (x, y), x, ball)"
    ),
    "training data of a search with labels missing": (
        "mpat.tuning.RobustHyperModel(toy.named, (x, y[:3]), (x, y), ball)"
    ),
    "training data of a search that is no array": (
        "mpat.tuning.RobustHyperModel(toy.named, iter([x]), (x, y), ball)"
    ),
    "gray levels as floats to judge trials on": (
        "mpat.tuning.RobustHyperModel(toy.named, (x, y), (255 * x, y), ball)"
    ),
    "one-hot labels to judge trials on": (
        "mpat.tuning.RobustHyperModel(toy.named, (x, y), (x, np.eye(2)[y]), ball)"
    ),
    "one class to judge trials on": (
        "mpat.tuning.RobustHyperModel(toy.named, (x, y), (x, 0 * y), ball)"
    ),
    "an optimizer that no process can be given": (
        "mpat.tuning.RobustHyperModel(toy.named, (x, y), (x, y), ball, "
        "optimizer=lambda rate: 'sgd')"
    ),
    "a range of strategies": "mpat.tuning.parse('strategy', 'pgd:free')",
    "no epochs in a trial": (
        "mpat.tuning.RobustHyperModel(toy.named, (x, y), (x, y), ball, epochs=0)"
    ),
}

_ENCODER = "vision.classifier, ball"
PRETRAINING = {
    "a number for the ball of RoCL": "pretraining.RoCL(vision.classifier, 0.1)",
    "an unknown mode of ACL": f"pretraining.ACL({_ENCODER}, mode='a2b')",
    "no steps of RoCL": f"pretraining.RoCL({_ENCODER}, steps=0)",
    "a temperature of 0": f"pretraining.RoCL({_ENCODER}, temperature=0)",
    "a projector without layers": f"pretraining.RoCL({_ENCODER}, projection=())",
    "a layer of the projector without units": (
        f"pretraining.ACL({_ENCODER}, projection=(8, 0))"
    ),
    "a pair_weight below 0": f"pretraining.RoCL({_ENCODER}, pair_weight=-1)",
    "views by name": f"pretraining.RoCL({_ENCODER}, views='simclr')",
    "tables of features to take views of": "pretraining.ACL(net, ball)",
    "an AdversarialModel to pretrain": "pretraining.ACL(vision, ball)",
    "bounds per pixel in pretraining": (
        "pretraining.ACL(vision.classifier, "
        "Linf(0.1, bounds=(images[0], images[0] + 1)))"
    ),
    "crops larger than the image": "pretraining.SimCLRViews(crop_scale=(0.1, 2))",
    "one strength for four operations": "pretraining.SimCLRViews(jitter=0.4)",
    "a share of gray images above 1": "pretraining.SimCLRViews(gray_share=20)",
    "colors of images that are gray": (
        "pretraining.SimCLRViews(jitter=(0.4, 0.4, 0.4, 0.1))"
        "(images[..., :1], mpat.noise.keys(0, 16))"
    ),
    "NT-Xent of one view": "losses.nt_xent.nt_xent(x)",
    "NT-Xent of a batch of one": "losses.nt_xent.nt_xent(x[:1], x[:1])",
    "a loss in pretraining": f"pretraining.ACL({_ENCODER}).compile('sgd', 'mse')",
    "an optimizer in pretraining by a wrong name": (
        f"pretraining.ACL({_ENCODER}).compile('lasr')"
    ),
    "weights of images in pretraining": (
        f"pretraining.ACL({_ENCODER}).fit(images, sample_weight=y)"
    ),
    "gray levels in pretraining": f"pretraining.RoCL({_ENCODER}).fit(images + 255)",
    "a batch of one image in pretraining": (
        f"pretraining.RoCL({_ENCODER}).fit(images, batch_size=1)"
    ),
    "a last batch of one image in pretraining": (
        f"pretraining.RoCL({_ENCODER}).fit(images[:9], batch_size=8)"
    ),
    "a batch of pretraining larger than the data": (
        f"pretraining.pretrain(pretraining.ACL({_ENCODER}), images, epochs=1)"
    ),
    "gray levels among the images of a run of pretraining": (
        f"pretraining.pretrain(pretraining.ACL({_ENCODER}), "
        "np.concatenate([images, images[:1] + 255]), epochs=1, batch_size=2)"
    ),
    "gray levels to validate pretraining on": (
        f"pretraining.ACL({_ENCODER}).fit(images, validation_data=images + 255)"
    ),
    "pretraining of a frozen encoder": (
        "pretraining.ACL(keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), "
        "layers.Dense(2)], name='flat'), ball, projection=(4,)).fit(images)"
    ),
    "no epochs of pretraining": (
        f"pretraining.pretrain(pretraining.ACL({_ENCODER}), images, epochs=0)"
    ),
    "a classifier in place of a method": (
        "pretraining.pretrain(vision.classifier, images, epochs=1)"
    ),
    "a run of pretraining that is not there": "pretraining.initialize(net, 'nowhere')",
    "a model that was trained with labels as pretraining": (
        "pretraining.initialize(net, model)"
    ),
    "an encoder of another width": (
        "pretraining.initialize(net, keras.Sequential([keras.Input((4,)), "
        "layers.Dense(9, name='hidden'), layers.Dense(2)], name='net'))"
    ),
    "published weights that are not there": (
        "pretraining.load_published(vision.classifier, 'acl.npz')"
    ),
    "momentum of LARS that is 1": "pretraining.LARS(0.1, momentum=1)",
    "trust of LARS that is 0": "pretraining.LARS(0.1, trust=0)",
    "two sets of norms for a net without": "models.dual_norm(net)",
}
