"""Trains EAC on a stream through the Python API: copy this file to start your own.

python scripts/train_stream.py datasets/sample runs/mine
"""

import argparse
import logging

import torch
from lightning.pytorch import seed_everything

import eac
from eac.training.trainers import DefaultTrainer


def main() -> None:
    """Reads the arguments, runs the stream and prints the mean error of each period."""
    parser = argparse.ArgumentParser(description="Train EAC on a stream.")
    parser.add_argument("stream", help="folder of a stream, in any layout eac reads")
    parser.add_argument("run_dir", help="directory that receives everything")
    parser.add_argument("--max_epochs", type=int, default=100)
    parser.add_argument("--rank", type=int, default=6)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    seed_everything(args.seed, verbose=False)
    forecaster = eac.Forecaster(
        backbone=eac.STGNN(window=12, horizon=12),
        strategy=eac.EAC(rank=args.rank),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.03),
    )
    forecaster.print_trainable_parameters()
    runner = eac.StreamRunner(
        forecaster,
        eac.PeriodData(args.stream, seed=args.seed),
        run_dir=args.run_dir,
        make_trainer=DefaultTrainer(max_epochs=args.max_epochs),
    )
    record = runner.run()
    for period in record.periods:
        week = period.baselines["week"].point["MAE"]["mean"]
        print(
            f"{period.name}: MAE {period.errors.point['MAE']['mean']:.2f}, last week's {week:.2f}"
        )


if __name__ == "__main__":
    main()
