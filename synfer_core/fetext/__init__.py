"""FEText: folders of face photos become captioned, AU-labelled data sets (SynFER, figure 2).

He et al., SynFER: Towards Boosting Facial Expression Recognition with Synthetic Data, ICCV 2025
(https://arxiv.org/abs/2410.09865). Read `build` first: it chains the other files.
"""
