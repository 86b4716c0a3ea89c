"""What the paper says of two hyper-parameters, as data to look at beside a search.

All are accuracies in percent on test images, of ResNets trained for many more updates
than a search spends on a trial: shapes may be compared, heights may not.

References:
    Khan, Chen, Liao, Chen, "Towards Adversarial Robustness for Multi-Mode Data through
    Metric Learning" (MPAT), Sensors 23(13):6173, 2023, Tables 7 and 8. Its Figure 3
    says of equal numbers per class only that three was best; the text has no figures.
    The rows of lambda_1 = 0.5 and of 3/4 are those of "+ACL" (contrastive pre-training)
    in its Tables 2 and 3, so that their lead may have another cause.
"""

SOURCE = "Khan et al. (MPAT), Sensors 23(13):6173, 2023"

# Table 8: by data set, by lambda_1, accuracy under PGD-10.
LAMBDA_1 = {
    "CIFAR10": {2.0: 49.54, 1.5: 50.90, 1.0: 51.04, 0.5: 53.23, 0.1: 52.18},
    "CIFAR10-2": {2.0: 59.22, 1.5: 59.60, 1.0: 60.90, 0.5: 63.33, 0.1: 60.74},
}

# Table 7, CIFAR10-2: by prototypes of class 0 and class 1, by attack.
PROTOTYPES = {
    (2, 2): {"clean": 78.48, "PGD-10": 60.17},
    (2, 3): {"clean": 79.52, "PGD-10": 60.20},
    (3, 2): {"clean": 80.08, "PGD-10": 60.27},
    (3, 3): {"clean": 80.10, "PGD-10": 62.10},
    (4, 3): {"clean": 85.24, "PGD-10": 62.10},
    (3, 4): {"clean": 87.82, "PGD-10": 63.33},
}
